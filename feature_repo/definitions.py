"""What the ``feast`` command line finds in this folder: the features over the snapshots in data/snapshots.

``screentest features build`` fills data/; then ``feast apply``, ``feast materialize …`` and the others work here.
"""

from pathlib import Path

from feature_repo.declare import declare

user, item, user_views, item_views, user_item, services = declare(Path(__file__).parent / "data" / "snapshots")

# Feast collects the objects that are attributes of the module, one by one.
user_activity, user_taste, user_demographics = user_views
item_popularity, item_quality, item_content = item_views
user_features, item_features, ranking_features = services
