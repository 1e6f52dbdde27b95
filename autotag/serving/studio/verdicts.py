"""What a person did on the page, as decisions for the ledger."""

from collections.abc import Iterable, Mapping, Sequence

from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, EffectiveTag, Standing


def decisions_of_change(
    media_ids: Iterable[str],
    before: Iterable[str],
    after: Iterable[str],
    standings: Mapping[str, Sequence[EffectiveTag]],
) -> list[Decision]:
    """A list of approved tags was edited: what came is approved, or added where no machine thought of it; what went is
    rejected, or cleared where only a person had given it.

    Args:
        media_ids: images that the list stands for.
        before: tags as the page showed them: another tab may have changed them since, which is left alone.
        after: tags as they are now.
        standings: of the images, as the ledger has them.
    """
    came, went = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    decisions: list[Decision] = []
    for media_id in dict.fromkeys(media_ids):
        proposed = {each.tag for each in standings.get(media_id, ()) if each.scores}
        decisions += [
            Decision(media_id, tag, Action.APPROVE if tag in proposed else Action.ADD) for tag in came
        ]
        decisions += [
            Decision(media_id, tag, Action.REJECT if tag in proposed else Action.CLEAR) for tag in went
        ]
    return decisions


def approvals(
    media_ids: Iterable[str], tags: Iterable[str], standings: Mapping[str, Sequence[EffectiveTag]]
) -> list[Decision]:
    """Approve tags of images; what a person has decided already is left as it is."""
    wanted = list(dict.fromkeys(tags))
    decisions: list[Decision] = []
    for media_id in dict.fromkeys(media_ids):
        found = {each.tag: each for each in standings.get(media_id, ())}
        for tag in wanted:
            known = found.get(tag)
            if known is None or known.standing is Standing.PROPOSED:
                is_proposed = known is not None and bool(known.scores)
                decisions.append(Decision(media_id, tag, Action.APPROVE if is_proposed else Action.ADD))
    return decisions


def rejections_of_the_rest(
    media_ids: Iterable[str], shown: Iterable[str], standings: Mapping[str, Sequence[EffectiveTag]]
) -> list[Decision]:
    """Reject what the page showed; what a person has decided already is left as it is.

    What waits of an image and was not shown goes on waiting: nobody has seen it. An image of which there is nothing to reject,
    of which nothing waits and nobody has said anything, is marked by `ANY_TAG`: a person has looked at it.

    Args:
        media_ids: of the images.
        shown: tags that the page showed as suggested for all of them.
        standings: of the images, as they were when they were shown.
    """
    suggested = list(dict.fromkeys(shown))
    decisions: list[Decision] = []
    for media_id in dict.fromkeys(media_ids):
        found = standings.get(media_id, ())
        decided = {each.tag for each in found if each.standing is not Standing.PROPOSED}
        tags = [tag for tag in suggested if tag not in decided]
        if not tags and not found:
            tags = [ANY_TAG]
        decisions += [Decision(media_id, tag, Action.REJECT) for tag in tags]
    return decisions


def spelled(typed: str, known: Iterable[str]) -> str:
    """A tag that a person typed, as it is known already in any case and spacing; else in the form of the label list."""
    clean = " ".join(typed.split())
    by_form = {tag.casefold(): tag for tag in known}
    return by_form.get(clean.casefold(), clean.lower())


def clearances(media_ids: Iterable[str], standings: Mapping[str, Sequence[EffectiveTag]]) -> list[Decision]:
    """Take back all that people decided of these images."""
    return [
        Decision(media_id, each.tag, Action.CLEAR)
        for media_id in dict.fromkeys(media_ids)
        for each in standings.get(media_id, ())
        if each.standing is not Standing.PROPOSED
    ]


def are_so(decisions: Iterable[Decision], standings: Mapping[str, Sequence[EffectiveTag]]) -> bool:
    """Whether tags stand as decisions would have them, whoever did it."""
    stands = {(media_id, each.tag): each.standing for media_id, found in standings.items() for each in found}
    return all(_is_so(each.action, stands.get((each.media_id, each.tag))) for each in decisions)


def _is_so(action: Action, standing: Standing | None) -> bool:
    if action is Action.CLEAR:
        return standing in (None, Standing.PROPOSED)
    return standing is (Standing.REJECTED if action is Action.REJECT else Standing.APPROVED)
