"""The English words of reasons. Keys and ``{places}`` are those of every other language."""

from __future__ import annotations

SENTENCES = {
    # What the user rated, all of it or among others.
    "rated.one": "Because you rated {first}",
    "rated.two": "Because you rated {first} and {second}",
    "rated.one.among": "Because you rated {first}, among others",
    "rated.two.among": "Because you rated {first}, {second} and others",
    "rated.none": "It goes with what you rated as a whole; no single title stands out",
    "in_common": "{reason}; in common: {terms}",
    # How many users rated the item in training.
    "popular.none": "Nobody has rated it so far",
    "popular.one": "1 person rated it",
    "popular.many": "{count} people rated it",
    "popular.most": "{count} people rated it: one of the most popular",
    "cold.none": "There is nothing of yours to go by yet, and nobody has rated this so far",
    "cold.one": "There is nothing of yours to go by yet; 1 person rated this",
    "cold.many": "There is nothing of yours to go by yet; {count} people rated this",
    "cold.most": "There is nothing of yours to go by yet; {count} people rated this: one of the most popular",
    "new.none": "Not widely known yet: nobody has rated it so far",
    "new.one": "Not widely known yet: 1 person has rated it so far",
    "new.many": "Not widely known yet: {count} people have rated it so far",
    # What the item has more of than the others that were considered for the user.
    "features.one": "Among what was considered for you: {first}",
    "features.two": "Among what was considered for you: {first}, {second}",
    "chance": "Put here by chance: this list is there to compare others with",
}

FEATURES = {
    "rated_more": "rated by more people",
    "rated_less": "rated by fewer people",
    "rated_better": "rated better",
    "rated_worse": "rated less well",
    "opinions_differ": "opinions differ more",
    "opinions_agree": "people agree on it more",
    "rated_lately": "rated a lot lately",
    "rated_not_lately": "not rated much lately",
    "last_rated_early": "last rated longer ago",
    "last_rated_late": "last rated more recently",
    "listed_early": "here for longer",
    "listed_late": "here more recently",
    "newer": "newer",
    "older": "older",
    "tagged_more": "described by more tags",
    "tagged_less": "described by fewer tags",
    "tagged_variously": "described by more different tags",
    "tagged_alike": "described by fewer different tags",
    "more_genres": "of more genres",
    "fewer_genres": "of fewer genres",
    "of_genre": "genre {genre}",
    "not_of_genre": "not of the genre {genre}",
    "genres_often": "more of the genres you rate often",
    "genres_seldom": "more of the genres you rate seldom",
    "genres_liked": "more of the genres you rate highly",
    "genres_other": "less of the genres you rate highly",
}

TERMS = {
    "genre": "{value}",
    "tag": "{value}",
    "title": "“{value}” in the title",
    "year": "same year ({value})",
    "decade": "same decade ({value}s)",
}

#: Words for genres that the catalogue names otherwise.
GENRES: dict[str, str] = {}
