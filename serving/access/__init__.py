"""Who may do what on the policy server: layers around its application, each in a file of its own.

From outside: input_limits, origins, keys_layer (with rules, key_ring, token_bucket, audit_trail), the application.
"""
