"""What is deployed: a Laravel app or any other, its releases, its maintenance page, its services.

The work is done by the scripts beside these modules, on the host; Python picks them and gives them their arguments.
"""
