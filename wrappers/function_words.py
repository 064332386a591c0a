"""Words that hold sentences together and say nothing of what a title is about, in the languages titles are often in."""

from __future__ import annotations

_BY_LANGUAGE = {
    "English": """
        the an and or but nor so if than as of in on at to by for from with without into onto upon about after before
        between through over under up down out off it its he his him she her they their them we our us you your me my
        this that these those there here what which who whom whose when where why how is are am be been being was were
        do does did has have had will would can could shall should may might must not no all any some each both either
        neither too very vs
    """,
    # Not "son", which English titles have.
    "French": """
        le la les un une des du de et ou mais ni si que qui quoi dont au aux en dans par pour sur sous sans avec chez
        entre vers ce cet cette ces mon ma mes ton ta tes sa ses notre nos votre vos leur leurs je tu il elle nous vous
        ils elles on ne pas plus est sont
    """,
    # Not "sin", for the same reason.
    "Spanish": """
        el la los las un una unos unas lo al del de pero ni si que quien en con por para sobre entre hasta desde mi mis
        tu tus su sus nuestro nuestra yo ella nosotros ellos ellas es no se te nos muy como más
    """,
    # Not "war" and "man".
    "German": """
        der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine im in am an auf aus bei
        mit nach von vom vor zu zum zur für über unter ohne durch um gegen ich du er sie es wir ihr mein meine dein
        deine sein seine ist sind wie was wer wo wenn als auch
    """,
    # Not "come".
    "Italian": """
        il lo la gli le un uno una di da dal dalla del dello della dei degli delle al allo alla ai agli alle per nel
        nella nei nelle sul sulla in con su tra fra ed ma né che chi cui se non io lui lei noi voi loro mio mia tuo tua
        suo sua è sono
    """,
    "what is left of “don't” where a word ends at the apostrophe": "ll re ve ain aren didn doesn isn wasn won couldn",
    "what only numbers a series": "part ii iii iv vi vii viii ix xi xii",
}

FUNCTION_WORDS = frozenset(" ".join(_BY_LANGUAGE.values()).split())
"""In lower case; words that are a thing in another of these languages are left out where titles often have that."""
