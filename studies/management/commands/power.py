"""`manage.py power`: how many mice, or PDX models, a study needs, without the database."""

import json
from dataclasses import asdict
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from studies.analysis import power
from studies.analysis.errors import AnalysisError


class Command(BaseCommand):
    help = "Mice an arm, or PDX models a MAP2K4 status, for the power asked. Touches no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        parser.add_argument("question", choices=("contrast", "bliss", "interaction"))
        size = parser.add_mutually_exclusive_group(required=True)
        size.add_argument(
            "--effect", type=float, metavar="PER_DAY", help="difference of slopes, ln mm3 per day"
        )
        size.add_argument(
            "--tgi", type=float, metavar="PERCENT", help="the same as a ratio TGI by the last day"
        )
        parser.add_argument(
            "--days", type=_numbers, default=power.DAYS, metavar="0,3,7", help="days of reading"
        )
        parser.add_argument(
            "--arms", type=int, default=1, help="treated arms against the vehicle (%(default)s)"
        )
        parser.add_argument("--mice", type=int, default=3, help="mice an arm in each PDX model (%(default)s)")
        parser.add_argument("--power", type=float, default=0.8)
        parser.add_argument("--alpha", type=float, default=0.05)
        parser.add_argument("--dropout", type=float, default=0.0, help="share of mice lost before they tell")
        parser.add_argument("--mouse-sd", type=float, help="spread of mice's slopes, per day")
        parser.add_argument("--reading-sd", type=float, help="error of a reading on ln volume")
        parser.add_argument("--model-sd", type=float, help="spread of PDX models in an effect, per day")
        parser.add_argument(
            "--past", type=Path, nargs="*", default=(), help="JSON of analyzed studies to learn from"
        )
        parser.add_argument("--json", type=Path, metavar="OUT", help="write every number to this JSON file")
        parser.add_argument(
            "--plot", type=Path, metavar="OUT", help="interaction: more models or more mice, as SVG"
        )

    def handle(self, *args, **options):
        try:
            found = self._answer(options)
        except (AnalysisError, ValueError) as refusal:
            raise CommandError(str(refusal), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror or error}", returncode=2) from None
        for line in found.pop("lines"):
            self.stdout.write(line)
        if options["json"]:
            options["json"].write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def _answer(self, options):
        variability = _variability(options)
        days, effect = options["days"], options["effect"]
        if effect is None:
            effect = power.slope_effect(options["tgi"], days[-1])
        asked = {name: options[name] for name in ("power", "alpha", "dropout")}
        rows = []
        if options["question"] == "contrast":
            size = power.mice_per_arm(effect, variability, days, treated_arms=options["arms"], **asked)
        elif options["question"] == "bliss":
            size = power.mice_per_arm_for_bliss(effect, variability, days, **asked)
        else:
            size = power.models_per_status(effect, options["mice"], variability, days, **asked)
            shared = {name: asked[name] for name in ("power", "alpha")}
            rows = power.models_or_mice(effect, variability, days, **shared)
            if options["plot"]:
                _draw(rows, options["power"], options["plot"])
        found = {"size": asdict(size), "variability": asdict(variability), "models_or_mice": rows}
        return found | {"lines": [*_lines(size, variability), *_trade(rows)]}


def _variability(options):
    """The lab's own, where past studies are given; what the command line says goes before."""
    past = []
    for path in options["past"]:
        document = json.loads(path.read_text(encoding="utf-8"))
        studies = document.get("studies", [document]) if isinstance(document, dict) else []
        past += [study for result in studies if (study := power.past_study(result))]
    if options["past"] and not past:
        raise AnalysisError("none of the past studies holds a mixed model to learn from")
    known = asdict(power.lab_variability(past))
    told = {"mouse_slope_sd": "mouse_sd", "residual_sd": "reading_sd", "effect_sd": "model_sd"}
    given = {name: options[option] for name, option in told.items() if options[option] is not None}
    return power.Variability(**(known | given))


def _lines(size, variability):
    yield f"{size.n} {size.unit}, {size.mice} mice in all: power {size.power:.3f} at alpha {size.alpha:g}"
    if size.n != size.n_analyzed:
        yield f"of these {size.n_analyzed} {size.unit} must be there to be analyzed"
    yield (
        f"effect {size.effect_per_day:.4g} per day; spread of mice {variability.mouse_slope_sd:.4g}, "
        f"of readings {variability.residual_sd:.4g}, of PDX models {variability.effect_sd:.4g}"
    )


def _trade(rows):
    if rows:
        yield "mice an arm   PDX models a status   mice in all   power"
    for row in rows:
        yield f"{row['mice_per_arm']:11d}   {row['models_per_status']:19d}   {row['mice']:11d}   {row['power']:.3f}"


def _draw(rows, asked, path):
    from studies.plots.models_or_mice import models_or_mice_curve
    from studies.plots.style import to_svg

    path.write_bytes(to_svg(models_or_mice_curve(rows, asked)))


def _numbers(text):
    return tuple(float(part) for part in text.split(","))
