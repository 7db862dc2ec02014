"""The cast: one person of each role in a study, and those who have no part in it.

A permission test asks each of them, so that a role nobody thought of cannot slip through.
"""

from dataclasses import dataclass

from studies.models import Study, StudyMembership, User
from studies.terms import Role

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class People:
    """`people.technician` and so on by role; `outsider` is a member of another study only."""

    study: Study
    by_role: dict[Role, User]
    outsider: User
    superuser: User

    def __getattr__(self, name: str) -> User:
        try:
            return self.by_role[Role(name)]
        except ValueError:
            raise AttributeError(f"there is no {name} among the people") from None

    def everyone(self) -> dict[str, User]:
        """Every person by what they are called in a test's failure."""
        roles = {role.value: user for role, user in self.by_role.items()}
        return {**roles, "outsider": self.outsider, "superuser": self.superuser}


def make_user(username: str, **fields) -> User:
    return User.objects.create_user(username, password=PASSWORD, **fields)


def join(user: User, study: Study, role: Role) -> User:
    StudyMembership.objects.create(user=user, study=study, role=role)
    return user


def make_people(study: Study, other_study: Study) -> People:
    return People(
        study=study,
        by_role={role: join(make_user(f"a_{role.value}"), study, role) for role in Role},
        outsider=join(make_user("an_outsider"), other_study, Role.STUDY_DIRECTOR),
        superuser=User.objects.create_superuser("a_superuser", password=PASSWORD),
    )
