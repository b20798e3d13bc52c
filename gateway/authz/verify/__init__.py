"""The scanner: proves on the text that is about to be sent that nothing in it looks past the predicate P.

It is the second enforcer for what no row can show (counts, UNIQUE, UNWIND), and it runs on every narrowed text. It
shares no code with `narrow`, nor the lexer, the parser and the tree that `narrow` works with: an error there that lets
a selector go without P is to be found here. So it does not know the caller's query, has an idea of its own of what a
query looks like (`scanner`), and compiles P itself into the tokens that it wants to see (`formula`).

Two facts make it a proof. Selectors stand after FIND and after the verb of a THAT, and nowhere else, and either word is
accepted in no other place. And between two operators there is one operand, so that no part of a condition can be read
as a clause. What it has not been told about is not proven. It takes less than the language has, on purpose: what
`narrow` prints passes, and the same query printed in another way need not.

Linear in the text, for one P.
"""

from __future__ import annotations

from gateway.authz.verify.formula import conjuncts
from gateway.authz.verify.gap import Gap
from gateway.authz.verify.scanner import Scanner
from gateway.authz.verify.tokens import tokens_of
from gateway.policy import Predicate

__all__ = ["verified"]


def verified(text: str, predicate: Predicate, *, strict: bool) -> str | None:
    """None if it is proven that every selector of `text`, and under `strict` every relationship, carries the predicate.

    Else what is missing, in a few words for operators, which repeat nothing of the text.
    """
    try:
        if wanted := conjuncts(predicate):
            Scanner(tokens_of(text), predicate, wanted, strict=strict).scan()
    except Gap as gap:
        return str(gap)
    return None
