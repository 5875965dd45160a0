"""Red-teaming: the protocol kit, the engine adapter and reference targets.

`kit` is plain Python and knows no engine; `engine` adapts it to Inspect;
`targets` are models whose true behaviour is known.
"""
