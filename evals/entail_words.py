"""Words that may take each other's place in a claim: those that leave it true, and those that make it another.

A pair stands with a stroke between its words, and a hyphen for a space. They are English, and rough: "rose" is not
always "increased". A model that learns from thousands of such claims is to learn what is usual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Self

from evals.datasets import json_lines
from evals.entail_groups import group_of, kept_apart
from vouch.index.lexical import english_terms

LONGEST = 3

OPPOSITES = """
increase/decrease increased/decreased increases/decreases increasing/decreasing rise/fall rose/fell higher/lower
high/low more/less more/fewer most/least larger/smaller largest/smallest bigger/smaller biggest/smallest
longer/shorter before/after earlier/later early/late first/last oldest/youngest older/younger old/new all/some
all/none every/no always/never often/rarely usually/rarely many/few many/no several/no both/neither only/not-only
must/may must/need-not will/might can/cannot could/could-not should/should-not required/optional allowed/forbidden
allowed/banned with/without million/billion thousand/million hundred/thousand percent/points north/south
northern/southern east/west eastern/western male/female man/woman men/women boy/girl father/mother brother/sister
husband/wife son/daughter son/brother his/her win/lose won/lost winning/losing success/failure successful/unsuccessful
accept/reject accepted/rejected agree/disagree agreed/refused support/oppose supported/opposed supports/opposes
positive/negative begin/end began/ended started/ended start/stop open/close opened/closed buy/sell bought/sold
join/leave joined/left enter/leave arrived/left love/hate likes/dislikes liked/disliked popular/unpopular
known/unknown public/private internal/external true/false best/worst better/worse good/bad strong/weak rich/poor
famous/obscure inside/outside above/below over/under up/down near/far same/different alive/dead born/died
married/divorced promote/inhibit promotes/inhibits activate/inhibit activates/inhibits enhances/reduces enhance/reduce
improves/worsens improved/worsened gain/loss gained/lost maximum/minimum minor/major majority/minority
temporary/permanent present/absent include/exclude includes/excludes including/excluding American/British
American/French British/German English/French novel/film film/play book/song actor/director singer/painter
city/village river/mountain war/treaty king/queen president/minister winter/summer morning/evening today/tomorrow
free/paid easy/hard safe/dangerous legal/illegal federal/local national/local private/state remembered/forgot
found/missed able/unable likely/unlikely directly/indirectly entirely/partly rather-than/as-well-as
"""
ALIKE = """
begin/start begins/starts began/started beginning/starting end/finish ended/finished ends/finishes buy/purchase
bought/purchased help/assist helped/assisted helps/assists use/employ used/employed uses/employs show/demonstrate
showed/demonstrated shows/demonstrates shown/demonstrated get/obtain got/obtained need/require needs/requires
needed/required many/numerous children/kids movie/film company/firm companies/firms doctor/physician car/automobile
said/stated said/remarked says/states also/additionally before/prior-to after/following while/whereas
announced/revealed announced/declared big/large large/sizeable small/little quick/fast quickly/rapidly
important/significant about/approximately about/around nearly/almost more-than/over less-than/under because/since
because-of/due-to in-order-to/to ban/prohibit banned/prohibited banning/prohibiting allow/permit allowed/permitted
allows/permits close/shut closed/shut choose/select chose/selected chosen/selected build/construct built/constructed
keep/retain kept/retained make/create made/created makes/creates give/provide gave/provided gives/provides
given/provided job/position work/labour try/attempt tried/attempted trying/attempting ask/request asked/requested
tell/inform told/informed think/believe thinks/believes thought/believed meeting/gathering talk/speak talks/speaks
talked/spoke famous/well-known popular/well-liked rich/wealthy difficult/hard easy/simple main/primary main/principal
whole/entire enough/sufficient end/conclusion final/last initial/first fight/battle killed/slain died/passed-away
born-in/native-of lives/resides lived/resided living/residing house/home town/city sick/ill hurt/injured happen/occur
happened/occurred happens/occurs increase/rise increased/rose increased/grew decrease/decline decreased/declined
decreased/fell discover/find discovered/found discovers/finds effect/impact effects/impacts affect/influence
affects/influences cause/trigger caused/triggered causes/triggers protect/safeguard protects/safeguards reduce/lower
reduces/lowers reduced/lowered improve/enhance improves/enhances improved/enhanced include/comprise contains/holds
collect/gather collected/gathered collects/gathers share/disclose shared/disclosed shares/discloses information/data
customer/client customers/clients worker/employee workers/employees employees/staff boss/manager issue/problem
issues/problems plan/scheme goal/aim goals/aims target/goal received/got award/prize awards/prizes won/earned
winning/earning earn/make earned/made defeat/beat defeated/beat lawmaker/legislator government/administration
country/nation countries/nations people/individuals person/individual man/gentleman woman/lady mom/mother dad/father
father/dad mother/mom husband/spouse wife/spouse friend/pal wrote/authored writer/author written/authored book/volume
song/track album/record movie/picture picture/image pictures/images photo/photograph photos/photographs opinion/view
opinions/views visit/tour visited/toured went-to/visited travelled-to/went-to return/go-back returned/went-back
arrive/reach leave/depart left/departed move/relocate moved/relocated wanted/wished wants/wishes want/wish like/enjoy
likes/enjoys liked/enjoyed considers/regards considered/regarded known-as/called called/named named/dubbed
regularly/often often/frequently sometimes/occasionally usually/typically mostly/mainly later/afterwards
currently/at-present today/nowadays recently/lately originally/initially together/jointly entirely/completely
completely/fully partly/partially only/solely especially/particularly such-as/like according-to/per
despite/in-spite-of although/though however/nevertheless therefore/thus will/is-going-to must/has-to can/is-able-to
cannot/is-unable-to percent/per-cent worldwide/globally area/region areas/regions amount/quantity number/count
type/kind types/kinds part/portion parts/portions top/highest biggest/largest smallest/tiniest oldest/most-ancient
huge/enormous tiny/minute new/recent old/elderly beautiful/lovely strange/odd angry/furious happy/glad sad/unhappy
afraid/scared tired/weary agree/concur agreed/concurred refuse/decline refused/declined reject/turn-down
rejected/turned-down accept/approve accepted/approved suggests/proposes suggested/proposed propose/suggest
discuss/talk-about discussed/talked-about mention/refer-to mentioned/referred-to explain/clarify explained/clarified
launched/started launch/introduce introduced/launched release/publish released/published issued/released support/back
supported/backed supports/backs oppose/resist opposed/resisted criticized/attacked praised/commended search/look
look-for/seek searching/looking seek/pursue patients/people-with-the-disease study/research studies/research
researchers/scientists scientists/researchers found-that/showed-that suggest/indicate suggests/indicates
indicates/shows associated-with/linked-to linked-to/connected-with role/part disease/illness drug/medicine
drugs/medicines treatment/therapy therapy/treatment cells/cell-types mice/rodents lethal/deadly deadly/fatal
risk/danger risks/dangers severe/serious common/widespread rare/uncommon different/distinct similar/alike
same/identical total/sum average/mean maximum/highest minimum/lowest
"""


Others = Mapping[str, tuple[str, ...]]
"""Word → the words that it is paired with."""


@dataclass(frozen=True, slots=True)
class Words:
    alike: Others
    unlike: Others
    some_alike: re.Pattern[str]
    some_unlike: re.Pattern[str]

    @classmethod
    def of(cls, alike: Iterable[tuple[str, str]], unlike: Iterable[tuple[str, str]]) -> Self:
        both = either_way(alike), either_way(unlike)
        return cls(*both, *map(any_of, both))


def either_way(pairs: Iterable[tuple[str, str]]) -> Others:
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: tuple(sorted(others)) for word, others in found.items()}


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b", re.I)


def listed(pairs: str) -> Iterator[tuple[str, str]]:
    for pair in pairs.split():
        one, other = (side.replace("-", " ") for side in pair.split("/"))
        yield one, other


LISTS = Words.of(listed(ALIKE), listed(OPPOSITES))


@cache
def with_replaced(data: Path) -> Words:
    """The lists, and what those who edited SummEdits' summaries put in the place of other words: harmlessly, or so that
    the summary was wrong by it alone. Nothing of what is held out."""
    alike, unlike = [*listed(ALIKE)], [*listed(OPPOSITES)]
    for row in json_lines(data / "train" / "groundedness" / "pairs.jsonl.gz"):
        before = row["meta"].get("original_summary")
        if before and not kept_apart(group_of(row)):
            replaced, others = replacements(before, row["claim_or_answer"])
            if row["label"] == "supported":
                alike += replaced
            elif len(replaced) == 1 and not others:
                unlike += replaced
    return Words.of(alike, unlike)


def replacements(before: str, after: str) -> tuple[list[tuple[str, str]], int]:
    """Words for words, at most :data:`LONGEST` of either and not stop words alone; and how many other differences there
    are."""
    old, new = before.lower().split(), after.lower().split()
    found: list[tuple[str, str]] = []
    others = 0
    for kind, a, b, c, d in SequenceMatcher(None, old, new, False).get_opcodes():
        sides = [" ".join(words).strip(".,;:!?\"'") for words in (old[a:b], new[c:d])]
        if kind == "replace" and max(b - a, d - c) <= LONGEST and all(map(english_terms, sides)):
            found.append((sides[0], sides[1]))
        elif kind != "equal":
            others += 1
    return found, others
