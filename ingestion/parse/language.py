"""Which language a text is in: by script where the script tells, else by its commonest words.

Small on purpose: the trained detectors that ship as wheels cost 80 MB in every worker and answer
with confidence where there is nothing to see. This one says "und" when unsure.
"""

from __future__ import annotations

import re
from collections import Counter

UNDETERMINED = "und"
_SAMPLE = 20_000
_LEAST_WORDS = 3
"""Different common words that must be seen."""
_LEAST_SHARE = 0.06
_LEAST_LEAD = 1.15

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile("[\u4e00-\u9fff\u3400-\u4dbf]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
_LETTER = re.compile(r"[^\W\d_]")
_ADDRESS = re.compile(r"\S*(?:@|://)\S*")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON: dict[str, frozenset[str]] = {
    code: frozenset(word for word in words.split() if len(word) > 1)
    for code, words in {
        "en": "the and of to in is that for it with as are this be on by not or from at was have which you we your "
        "our can if will all has an their they but should when who how what must may any been were do does",
        "de": "der die das und ist nicht ein eine einen mit für auf von zu den dem des sich im wird werden auch sind "
        "als bei oder aus dass wie nach es wir sie ihr kann nur über zum zur bis durch haben hat war",
        "fr": "le la les des et est une un dans pour que qui sur au aux par pas avec ce cette sont du vous nous il "
        "elle plus ou ne se leur être été mais comme à votre tout ces ont peut",
        "es": "el la los las de que y en un una por con para es no se del al lo como más su sus este esta son ha "
        "pero o si ser está cuando sobre también fue entre todo desde muy",
        "it": "il lo la gli le di che e un una per con è non si del della dei delle al alla sono come più nel nella "
        "anche ha da questo questa essere dal o se sul tutti può ai",
        "pt": "o a os as de que e em um uma para com não se do da dos das no na por mais como é são ao à seu sua foi "
        "ou ser também pelo pela até isso você nos já",
        "nl": "de het een en van is niet dat op te in voor met zijn die aan er om ook als bij door wordt naar of uit "
        "kan dan heeft worden deze wij je u maar nog over",
        "sv": "och det att i en som på är av för med den till inte har de ett om var vi kan från eller när så ska "
        "din ditt detta efter vid också alla",
        "da": "og det at i en som på er af for med den til ikke har de et om var vi kan fra eller når så skal din "
        "dette efter ved også alle blev hvor hvis",
        "no": "og det at i en som på er av for med den til ikke har de et om var vi kan fra eller når så skal din "
        "dette etter ved også alle ble hvor hvis",
        "pl": "i w na z do nie się że jest to o jak za od po przez dla są oraz co czy lub być może tego przy który "
        "która które ich jego",
        "cs": "a v na se je že to s z do o jako za po pro by jsou nebo být jeho který která které ve při není",
        "ro": "și în de la a cu pe nu este că un o din pentru sunt care mai prin sau fi ca au fost se ale acest",
        "tr": "ve bir bu için ile da de olarak olan daha çok en gibi kadar sonra ne var değil veya ise olduğu",
        "id": "yang dan di untuk dengan pada ini dari dalam tidak adalah itu ke atau akan oleh juga sebagai",
        "vi": "và của là có không được cho một trong các với những này để người khi đã như từ đến",
        "fi": "ja on ei se että oli hän mutta ovat kun myös tai jos niin kuin voi ole sen tämä",
        "hu": "a az és hogy nem is egy van volt meg ez csak de mint ha el még vagy azt kell",
        "ru": "и в не на что с по это как для от к из за но или его то при быть они также все",
        "uk": "і в не на що з по це як для від до та за але або його при бути вони також є",
    }.items()
}


def language(text: str) -> str:
    """ISO 639-1 code, or "und" where there is too little to tell."""
    sample = text[:_SAMPLE]
    letters = len(_LETTER.findall(sample))
    if letters == 0:
        return UNDETERMINED
    for code, pattern in _SCRIPTS:
        # Japanese mixes in many Chinese characters, so kana count at a lower share and are looked for first.
        if len(pattern.findall(sample)) / letters > (0.1 if code == "ja" else 0.3):
            return code
    words = Counter(_WORD.findall(_ADDRESS.sub(" ", sample.lower())))
    total = words.total()
    scores = sorted(((sum(words[w] for w in common), code) for code, common in _COMMON.items()), reverse=True)
    (best, code), (second, _) = scores[0], scores[1]
    if (
        sum(w in _COMMON[code] for w in words) < _LEAST_WORDS
        or best / total < _LEAST_SHARE
        or best < second * _LEAST_LEAD
    ):
        return UNDETERMINED
    return code
