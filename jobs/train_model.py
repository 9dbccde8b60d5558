"""Train a membership network, on a set made from a mirror and lists or on one made before.

Example:
    spark-submit jobs/train_model.py --config my_training.yaml --output model

conf/training.yaml has all settings and explains them.
"""

from __future__ import annotations

from ocspark import cli, storage
from ocspark.training.train_model import train_model
from ocspark.training.training_settings import load_training_settings


def main() -> int:
    """Train, say how good the network is and where it is."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("training.yaml")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the network")
    options = parser.parse_args()
    card = train_model(load_training_settings(options.config, options.overrides), options.output)
    validation = card["metrics"]["validation"]
    shown = {name: card[name] for name in ("name", "best_epoch", "epochs", "metrics")}
    cli.show_results(
        options,
        {"path": options.output, **shown},
        [
            f"[ocspark] model {card['name']}: validation F1 {validation['f1']:.4f} "
            f"at epoch {card['best_epoch']} of {card['epochs']}; use it with "
            f"--set model={storage.join(options.output, '')}"
        ],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
