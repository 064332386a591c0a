"""Who may do what on the policy server: layers around its application, each in a file of its own.

outside ─▶ input_limits ─▶ origins ─▶ keys_layer (rules, key_ring, token_bucket, audit_trail) ─▶ the application
"""
