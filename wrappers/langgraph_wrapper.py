"""A chat model in the last step: a graph that reranks or explains another model's best items."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from core.errors import ConfigError, DataError, NotApplicable
from core.interactions import Interactions
from core.protocols import DataLoader
from core.settings import load_settings
from wrappers.artifact import Artifact, wrapper_of
from wrappers.asked import Asked
from wrappers.base import EvaluationConfig, ModelConfig
from wrappers.blocks import row_blocks
from wrappers.causes import Cause
from wrappers.chat_client import ChatClient, ChatOptions, Endpoint
from wrappers.chat_prompts import ChatPrompt, pinned_prompt
from wrappers.feature_rows import UserRows
from wrappers.golden import GoldenAnswer, GoldenExample, GoldenResult, compare, read_golden_set
from wrappers.graph_code import check_graph, hash_of, shipped_graph
from wrappers.graph_runner import GraphAnswer, GraphRunner
from wrappers.item_lines import item_lines, liked_items
from wrappers.judges import judge
from wrappers.offline import OfflineEvaluation
from wrappers.reasons import add_reasons, causes_of
from wrappers.recommender import Arrays, Recommendations, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.registry import model
from wrappers.requests import Requests, parse_requests
from wrappers.tables import as_csv, as_json
from wrappers.top_k import PADDING

T = TypeVar("T")

_OUTCOMES = {"rerank": "reranked", "explain": "explained"}
GRAPH, PROMPTS, CONFIG = "graph.py", "prompts.yaml", "config.json"


class LangGraphConfig(RecommenderConfig):
    """Whose items are reranked or explained, by which chat model, and how long it may take."""

    task: Literal["rerank", "explain"] = "rerank"
    """What the graph does: put the best items into a new order, or say why each is in the list."""
    base: str = "ease"
    """Registered name of the model whose best items these are; not ``langgraph`` itself."""
    base_config: dict[str, Any] = Field(default_factory=dict)
    """That model's hyperparameters; what lists are like (diversity …) is set here, not there."""
    n_candidates: int = Field(20, ge=2, le=100)
    """How many of the base's best items the chat model sees; those behind them keep their places."""
    history_length: int = Field(20, ge=0, le=200)
    """How many items that the user rated it is told of, those that most people know first."""
    prompt: str = ""
    """``prompts:/NAME/VERSION`` or ``prompts:/NAME@ALIAS`` in MLflow, pinned when the model is made; empty: ours."""
    chat_model: str = ""
    """Name of the chat model at the endpoint; empty: the setting chat_model. The endpoint itself is a setting."""
    temperature: float = Field(0.0, ge=0, le=2)
    """How freely the chat model words its answer."""
    max_tokens: int = Field(600, ge=1, le=100_000)
    """Length of its answer."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Sent with each question, for endpoints that know one."""
    deadline_s: float = Field(1.5, gt=0, le=600)
    """Of one question; after this its user gets the base's list. Below the model_timeout_s of whoever asks."""
    timeout_s: float = Field(1.5, gt=0, le=600)
    """Of one attempt."""
    retries: int = Field(1, ge=0, le=10)
    """Further attempts where the endpoint is busy or broken, within the deadline."""
    backoff_s: float = Field(0.1, ge=0, le=60)
    """Pause before the first further attempt where the endpoint names none; doubles."""
    concurrency: int = Field(8, ge=1, le=256)
    """Questions at a time of one batch, an evaluation say, which asks one for each test user; the others wait."""
    input_price: float = Field(0.0, ge=0)
    """US dollars for 1,000 tokens of the prompt."""
    output_price: float = Field(0.0, ge=0)
    """US dollars for 1,000 tokens of the answer."""
    golden_set: str = ""
    """File of questions and expected answers that ``evaluate`` asks; empty: ours."""
    judge: str = ""
    """Who scores answers that need not be word for word: a name in wrappers/judges.py; empty: nobody."""


class LangGraphWrapper(RecommenderWrapper):
    """Lets a chat model rerank or explain the best items of a base model, through a LangGraph graph.

    The base's list is what a user gets whenever the chat model does not answer in time, or not usably: every answer
    tells which it was (``llm``). Users nobody knows anything about are not asked about, and no user's id is sent.

    A graph and a prompt learn nothing, so ``train`` does not apply. What a pipeline trains is the base: ``prepare``
    fits it, pins prompt and chat model, and the rest of a model's life is that of any other. A model that is trained
    already is taken by ``around``.

    A reranked item's score is the base's of the place it has now: chat models give an order, no numbers. Where the
    configuration shapes lists (diversity …), the base's items are shaped first and the chat model ranks within each
    list, exploration slots left alone.

    The artifact is graph.py, prompts.yaml and config.json beside the base's own. Of graph files only those run that we
    wrote (:mod:`wrappers.graph_code`).
    """

    name = "langgraph"
    Config = LangGraphConfig
    needs_details = True
    waits = True
    packages = ("langgraph", "aiohttp", "pyyaml")

    _base: RecommenderWrapper
    _prompt: ChatPrompt
    _graph: str
    _made_runner: GraphRunner | None = None

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        super().__init__(config)
        # Made here, so that a base that is unknown or badly configured is refused before any training.
        self._base = self._untrained_base()

    @classmethod
    def around(cls, base: RecommenderWrapper, config: Mapping[str, Any] | None = None) -> Self:
        """Put a chat model behind a model that is trained already; it is shared, not copied."""
        own = {"base": base.name, "base_config": base.config.model_dump(mode="json")}
        return cls({**(config or {}), **own})._put_together(base)

    def train(self, data_loader: DataLoader, config: Mapping[str, Any] | ModelConfig | None = None) -> Self:
        """Not applicable.

        Raises:
            ConfigError: A hyperparameter is unknown or not allowed.
            NotApplicable: Always else; says what to call instead.
        """
        if config is not None:
            self.Config.parse(config, of=self.name)
        raise NotApplicable(
            f"{self.name}: train is not applicable, a graph and its prompt learn nothing; prepare(data_loader) fits "
            f"the base ({self.config.base}) and makes it ready, LangGraphWrapper.around(base) takes a trained one"
        )

    def prepare(self, data_loader: DataLoader) -> Self:
        """Fit the base, pin prompt and chat model. See :meth:`ModelWrapper.prepare`.

        Raises:
            TrackingError: MLflow cannot be reached or has no such prompt.
        """
        return self.fit(data_loader.train())

    def fit(self, interactions: Interactions) -> Self:
        """As :meth:`prepare`, on ratings at hand; only the base learns."""
        return self._put_together(self._untrained_base().fit(interactions))

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The base's scores. See :meth:`RecommenderWrapper.score`."""
        return self._base.score(user_index)

    def causes(self, asked: Asked, found: Recommendations, features: UserRows | None = None) -> list[Cause]:
        """The base's, which put the items into the shortlist; of exploration slots our own."""
        return causes_of(self, asked, found, self._base.causes(asked, found, features))

    def best_and_scores(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.float32]]:
        """Lists as they are served, and the base's scores. See :meth:`RecommenderWrapper.best_and_scores`."""
        found, scores = self._base_lists(asked._replace(k=self._depth(asked.k)))
        if self.config.task == "explain":
            return found, scores
        turns = asyncio.Semaphore(self.config.concurrency)
        answers = self._finish(self._graph_answers(asked.user_index, found, asked.k, turns))
        return _reordered(found, answers, asked.k), scores

    def predict(self, input_data: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer requests, in their order.

        Args:
            input_data: See :func:`wrappers.requests.parse_requests`.

        Returns:
            As :meth:`RecommenderWrapper.predict`, and ``"llm": {"outcome", "reason"}``: outcome is reranked,
            explained or fallback, reason says in one word why the fallback. Explained items have an ``explanation``.

        Raises:
            BadInput: A request is not what it should be.
        """
        return self._finish(self.predict_async(input_data))

    async def predict_async(self, input_data: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """As :meth:`predict`; other requests are answered while the chat model thinks."""
        requests, turns = parse_requests(input_data), asyncio.Semaphore(self.config.concurrency)
        # Lists of one length together: where they are shaped, what is in them depends on it.
        parts = [(k, *requests.of_length(k)) for k in set(requests.ks)]
        told = await asyncio.gather(*(self._told(alike, k, turns) for k, _, alike in parts))
        answers = {
            place: answer
            for (_, places, _), one in zip(parts, told, strict=True)
            for place, answer in zip(places, one, strict=True)
        }
        return [answers[place] for place in range(len(requests.ks))]

    async def _told(self, requests: Requests, k: int, turns: asyncio.Semaphore) -> list[dict[str, Any]]:
        """The answer to each of some requests for lists of k."""
        asked = Asked.of(self.known, requests.user_ids, self._depth(k), requests.exclude, filter_seen=True)
        shortlists = await asyncio.to_thread(self._shortlists, asked)
        told = await self._graph_answers(asked.user_index, shortlists, k, turns)
        found = _reordered(shortlists, told, k)
        answers = self._answers(requests, found)
        if any(requests.languages):
            await asyncio.to_thread(add_reasons, self, requests, asked._replace(k=k), found, answers)
        for answer, one in zip(answers, told, strict=True):
            answer["llm"] = {"outcome": "fallback" if one.reason else _OUTCOMES[self.config.task], "reason": one.reason}
            for item, text in zip(answer["items"], one.texts, strict=False):
                item["explanation"] = text
        return answers

    def evaluate(
        self, data_loader: DataLoader, config: Mapping[str, Any] | EvaluationConfig | None = None
    ) -> OfflineEvaluation:
        """Judge the lists as any recommender's, and run the golden set.

        What the golden set gives, and what the chat model took (questions, retries, time-outs, tokens, cost), is added
        to the MLflow run that is open, if one is.

        Raises:
            ConfigError: An option is not allowed.
            DataError: No held-out rating is relevant, or the golden set cannot be read.
        """
        # Imports MLflow's types only where a run is open.
        from tracking.runs import current_run, log_metrics, log_text

        before = self.figures()
        golden = self.run_golden_set()
        evaluation = super().evaluate(data_loader, config)
        used = {name: value - before.get(name, 0.0) for name, value in self.figures().items()}
        run = current_run()
        if run is not None:
            log_metrics(run.tracker, run.run_id, {**golden.figures, **used})
            log_text(run.tracker, run.run_id, as_json(golden.rows), "evaluation/golden.json")
            log_text(run.tracker, run.run_id, as_csv(golden.rows), "evaluation/golden.csv")
        return evaluation

    def run_golden_set(self) -> GoldenResult:
        """Ask the golden set's questions, and compare.

        Raises:
            DataError: The file cannot be read.
            UnknownName: Nobody registered the judge.
        """
        examples = read_golden_set(self.config.golden_set, self.config.task)
        return self._finish(self._compared(examples))

    async def release(self) -> None:
        """Close the connections to the endpoint. See :meth:`ModelWrapper.release`."""
        await self._runner.client.close()

    def figures(self) -> Mapping[str, float]:
        """Answers by outcome, and what the chat client counts. See :meth:`ModelWrapper.figures`."""
        return self._runner.figures()

    def state(self) -> Arrays:
        """Nothing: the base is a part of its own."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to take back."""

    def _artifact(self) -> Artifact:
        made = super()._artifact()
        config = {
            **made.header["config"],
            "graph_sha256": hash_of(self._graph),
            "prompt_name": self._prompt.name,
            "prompt_version": self._prompt.version,
        }
        documents = {GRAPH: self._graph, PROMPTS: self._prompt.as_yaml(), CONFIG: as_json(config)}
        return Artifact(made.header, {}, {}, parts={"base": self._base._artifact()}, documents=documents)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """See :meth:`ModelWrapper.from_artifact`; nothing that is not ours is run."""
        made = cls(artifact.header["config"])
        try:
            base, documents = wrapper_of(artifact.parts["base"]), artifact.documents
            graph, prompt = documents[GRAPH], documents[PROMPTS]
            fits = json.loads(documents[CONFIG])["graph_sha256"] == hash_of(graph)
        except (KeyError, ValueError) as error:
            problem = f"the artifact of model {cls.name!r} does not fit together: {error}; make it again"
            raise DataError(problem) from error
        check_graph(graph, made.config.task)
        if not isinstance(base, RecommenderWrapper) or not fits:
            raise DataError(f"the artifact of model {cls.name!r} does not fit together; make it again")
        made._base, made.known = base, base.known
        made._graph, made._prompt = graph, ChatPrompt.from_yaml(prompt)
        return made

    def _put_together(self, base: RecommenderWrapper) -> Self:
        """Around a trained base: what the settings and MLflow name now is pinned."""
        self._prompt = pinned_prompt(self.config.prompt, self.config.task)
        pinned = {"prompt": self._prompt.uri, "chat_model": self.config.chat_model or load_settings().chat_model}
        self.config = self.config.model_copy(update=pinned)
        self._base, self.known = base, base.known
        self._graph, self._made_runner = shipped_graph(self.config.task), None
        return self

    def _untrained_base(self) -> RecommenderWrapper:
        found = model(self.config.base)
        if not issubclass(found, RecommenderWrapper) or issubclass(found, LangGraphWrapper):
            raise ConfigError(
                f"{self.name}: base == {self.config.base!r}, must be another recommender, e.g. 'ease' (see `screentest "
                "models list`)"
            )
        made = found(self.config.base_config)
        made.config.check_unshaped("base_config", self.name)
        return made

    @property
    def _runner(self) -> GraphRunner:
        """Made when first asked for: LangGraph takes a second to import."""
        if self._made_runner is None:
            options = self.config.model_dump(include=ChatOptions.__dataclass_fields__.keys())
            client = ChatClient(Endpoint.of(load_settings()), ChatOptions(model=self.config.chat_model, **options))
            self._made_runner = GraphRunner(self._graph, self.config.task, self._prompt, client)
        return self._made_runner

    def _depth(self, k: int) -> int:
        """How long a list must be of which the first k are given."""
        return k if self.config.shapes_lists or self.config.task == "explain" else max(k, self.config.n_candidates)

    def _shortlists(self, asked: Asked) -> Recommendations:
        """The base's lists, in blocks of users whose scores fit in memory."""
        blocks = row_blocks(len(asked.user_index), len(self.known.items))
        return Recommendations.joined([self._base_lists(asked.part(*block))[0] for block in blocks], asked.k)

    def _base_lists(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.float32]]:
        """As the base lists them itself, equal scores included; or shaped as the configuration asks for."""
        if self.config.shapes_lists:
            return super().best_and_scores(asked)
        return self._base.best_and_scores(asked)

    async def _graph_answers(
        self, user_index: npt.NDArray[np.int64], found: Recommendations, k: int, turns: asyncio.Semaphore
    ) -> list[GraphAnswer]:
        """What the graph makes of the first places of each user's list."""
        rerank = self.config.task == "rerank"
        most = min(self.config.n_candidates, self._depth(k) - self.config.explore_slots if rerank else k)
        lengths = np.minimum((found.item_index != PADDING).sum(axis=1), max(most, 0)).tolist()

        async def one(place: int, n: int) -> GraphAnswer:
            if found.cold[place] or n < 1 + rerank:
                return self._runner.pass_over(n, "cold" if found.cold[place] else "short")
            liked = liked_items(self.known, int(user_index[place]), self.config.history_length)
            shortlist = item_lines(self.known, found.item_index[place, :n])
            async with turns:
                return await self._runner.answer(item_lines(self.known, liked), shortlist)

        return list(await asyncio.gather(*(one(place, n) for place, n in enumerate(lengths))))

    async def _compared(self, examples: Sequence[GoldenExample]) -> GoldenResult:
        turns = asyncio.Semaphore(self.config.concurrency)
        scorer = judge(self.config.judge, self._runner.client) if self.config.judge else None

        async def one(example: GoldenExample) -> tuple[GoldenAnswer, float]:
            async with turns:
                answer = await self._runner.answer(example.history, example.shortlist)
                lines = answer.texts or [example.shortlist[place] for place in answer.order]
                told = GoldenAnswer(lines, answer.reason)
                return told, math.nan if scorer is None else await scorer.score(example, lines)

        answers, scores = zip(*await asyncio.gather(*map(one, examples)), strict=True)
        return compare(examples, answers, scores)

    def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to its end, in an event loop of its own whose connections are closed behind it."""

        async def closing() -> T:
            try:
                return await work
            finally:
                await self.release()

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(closing())
        # In a notebook, say, this thread's loop is busy with the caller.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, closing()).result()


def _reordered(found: Recommendations, answers: Sequence[GraphAnswer], k: int) -> Recommendations:
    """The first k of each list in its new order; scores stay with the places."""
    place = np.arange(found.item_index.shape[1])[np.newaxis].repeat(len(answers), axis=0)
    for row, answer in enumerate(answers):
        place[row, : len(answer.order)] = answer.order
    item = np.take_along_axis(found.item_index, place, axis=1)
    return Recommendations(item[:, :k], found.scores[:, :k], found.cold)
