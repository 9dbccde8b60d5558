"""Tables of pass 2: candidates with their probabilities, and the other stars."""

from __future__ import annotations

from ocspark.tables.fields import BOOL, DOUBLE, INT, STAR, Field

CANDIDATES = [
    *STAR,
    Field("probability", DOUBLE, "", "Fraction of samples the network calls member"),
    Field("mean_logit", DOUBLE, "", "Mean over samples of member minus non-member logit"),
    Field("n_samples", INT, "", "Samples that the network judged; fewer where votes were sure"),
    Field("p_low", DOUBLE, "", "Lower end of the central 95 % Jeffreys interval of probability"),
    Field("p_high", DOUBLE, "", "Upper end of the central 95 % Jeffreys interval of probability"),
    Field("errors_mended", BOOL, "", "Errors or correlations that cannot be were replaced"),
    Field("is_training_member", BOOL, "", "Training member of the list (method §3)"),
]

NON_MEMBERS = STAR
