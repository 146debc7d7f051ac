"""What the members of an ensemble disagree about, and the strategies that ask for it.

Offers `by_members.ByMembers`, `drop_query.DropQuery`, `members.bald`, `members.disagreement`.
"""
