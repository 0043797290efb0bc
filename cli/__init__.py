"""The operator's commands, installed as scimlite_cli: one file per noun."""
