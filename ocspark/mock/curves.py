"""Properties of Gaia EDR3 sources as functions of G, adjusted to real fields.

The fields are some sixty cones of open clusters to G = 18 and three to G = 21; tests compare the
curves with them.
"""

from __future__ import annotations

#: G [mag] and the values there; linear between them and constant beyond.
_Curve = tuple[tuple[float, ...], tuple[float, ...]]
#: Excess of log10 errors of bright stars over PyGaia's floor [dex].
BRIGHT_EXCESS: _Curve = ((8.0, 10.0, 11.5, 12.5, 13.5, 14.5), (0.30, 0.20, 0.18, 0.10, 0.03, 0.0))
#: Scatter of log10 errors among neighbours [dex]; share of sources with disturbed solutions, whose
#: errors are larger by an exponential with the scale of `DISTURBANCE` [dex].
ERROR_SCATTER, DISTURBED = 0.035, 0.15
DISTURBANCE: _Curve = ((12.0, 15.0, 17.0, 18.0, 20.0), (0.35, 0.28, 0.15, 0.08, 0.05))
#: The same scale for sources with six parameters.
SIX_DISTURBANCE: _Curve = ((13.0, 16.0, 17.0, 18.0, 19.0, 21.0), (0.5, 0.4, 0.2, 0.12, 0.1, 0.08))
#: Share of sources with two parameters, and the share with six among the others.
TWO: _Curve = (
    (14.0, 16.0, 17.5, 18.3, 19.2, 20.1, 20.35, 20.5, 20.6, 20.75, 20.85, 20.95),
    (0.005, 0.007, 0.009, 0.02, 0.03, 0.04, 0.07, 0.20, 0.40, 0.80, 0.93, 0.985),
)
SIX: _Curve = (
    (14.0, 16.0, 17.0, 17.5, 18.0, 18.25, 18.75, 19.25, 19.75, 20.15, 20.4, 20.7),
    (0.025, 0.028, 0.045, 0.06, 0.08, 0.11, 0.25, 0.50, 0.70, 0.82, 0.89, 0.95),
)
#: Share of sources without BP and RP, and the least share of them with two parameters.
COLOURLESS: _Curve = (
    (12.0, 14.0, 15.5, 17.0, 17.8, 18.5, 19.3, 20.0, 20.6, 20.9),
    (0.001, 0.005, 0.007, 0.012, 0.018, 0.028, 0.03, 0.05, 0.07, 0.09),
)
COLOURLESS_TWO = 0.3
#: Scatter of pseudocolours about the effective wavenumber of the colour [1/µm].
PSEUDOCOLOUR_SCATTER: _Curve = (
    (9.0, 13.0, 15.0, 18.0, 18.8, 19.2, 19.8, 20.2, 20.6, 20.9),
    (0.015, 0.03, 0.05, 0.06, 0.085, 0.10, 0.15, 0.22, 0.31, 0.45),
)
#: Share of G observations that faint sources keep; G observations per observation in BP or RP; the
#: scatter of the logarithms of both numbers.
FAINT_DEPTH: _Curve = ((18.0, 19.0, 19.8, 20.3, 20.6, 20.9), (1.0, 0.93, 0.86, 0.80, 0.55, 0.30))
PER_COLOUR: _Curve = (
    (16.0, 18.0, 19.5, 20.0, 20.4, 20.7, 21.0),
    (8.9, 9.4, 9.8, 10.5, 11.8, 13.3, 14.0),
)
DEPTH_SCATTER, COLOUR_SCATTER = 0.1, 0.05
