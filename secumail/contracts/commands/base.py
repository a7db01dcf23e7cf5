"""What every command is made of."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["member", "reviewer", "administrator"]


class Reply(BaseModel):
    """Root of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Done(Reply):
    """The act was done; there is nothing else to say."""

    done: int = 1


class Command(BaseModel):
    """Root of all questions. `name` is `<service>.<verb>`; `reply` the model of the answer; `patience` the seconds
    that are waited for it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]
    reply: ClassVar[type[Reply]] = Done
    patience: ClassVar[float] = 15.0
    version: Literal[1] = 1
