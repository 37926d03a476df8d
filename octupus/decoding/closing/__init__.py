"""How a value that was begun is ended in few tokens, and a proved bound on how many any next token can make it.

**Claim.** Let D(s) be the cost of a state s below. The path from s has at most D(s) tokens, and whatever single token t
comes next, D(s.t) <= reach(s). So while reach(s) is less than what is left of a budget, t may be any token.

**D.** A state is a stack of open containers and perhaps a partial scalar or key at its top. D(s) is the sum of
(a) the end of what is partial, (b) for each container its *base*: the required keys not yet written and the items and
properties below the minimum, each with its separator and smallest instance, and the closing bracket, (c) the text of
the frame behind the value. Where several alternatives of the schema may be meant, each term is the largest of theirs;
an alternative is dropped only when what was written contradicts it, so the one the backend follows is among them.
Every byte is a token: what is partial costs at most its bytes, a piece that is encoded by itself exactly its tokens,
and the rest of a piece that was begun at most the rest of one token byte by byte and the tokens behind it
(`Pieces.suffix_cost`).

**Step.** A token closes some containers, changes the innermost one that it leaves open, j, and inside j may begin one
entry in which it opens at most K containers, K being the most brackets of any token. Bases of containers 0 to j do not
grow: keys and items are only added, alternatives only dropped. The entry is a partial key (its rest, a colon and the
smallest value) or a partial value, whose cost F_K is by induction on the openings left

    F_k(schema) = max(smallest instance, the rest of any scalar begun, base of a container begun + X_{k-1} of it)
    X_k(container) = max over its children of (rest of the key + smallest value, F_k(child))

so D(s.t) <= max over j of (sum of the bases of 0 to j + X_K(j) + frame) = reach(s). An entry that was in progress
before t is an entry of its container too, hence covered by its X_K. The rest of a scalar is at most: of a literal, a
suffix; of a string, 8 bytes that end a character, then the filler of minLength or the largest `Pattern.distance`, and a
quote; of a number, `NumberRange.farthest`. Without the limit on openings, F of the root and the frame are
`ClosingPlan.bound`, where schemas do not recur; every path follows one choice of alternatives, so reach is never more.

**What it rests on.** The backend lets only prefixes of instances be written, and takes the path, which is tried on a
fork. Where it refuses every path of the analysis, a search replaces it and is counted (`ClosingFollower.searches`).
Where it admits what no alternative does, the follower is lost and `reach` is `FAR`, so that a path is walked at once.
Not covered: a value whose key is declared and matches a `patternProperties` at once follows the declaration alone; of
keys that match patterns, four more characters are taken to make one that is not written yet.
"""

from __future__ import annotations

from octupus.decoding.closing.follower import ClosingFollower
from octupus.decoding.closing.plan import ClosingPlan
from octupus.decoding.closing.text import TextFollower, TextPlan

__all__ = ["ClosingFollower", "ClosingPlan", "TextFollower", "TextPlan"]
