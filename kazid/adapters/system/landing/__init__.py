"""The program that lands and deploys, in a process of its own: `python -m kazid.adapters.system.landing VERB < plan`.

An attempt like a remedy's: it runs under the shim, so that a daemon that dies loses none of it, and is killed whole at
its deadline. It never resets or cleans a tree, never forces what is not its own branch, and is safe to run again after
a kill at any point: every step first looks whether it is done.
"""
