"""The charts, one TOML file an action: data only. A package, so that they are installed as one."""
