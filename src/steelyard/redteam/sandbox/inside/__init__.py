"""The first process of a host, in parts that are joined before they are sent into it."""
