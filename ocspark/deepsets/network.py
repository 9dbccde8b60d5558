"""The Deep Sets network of the paper's appendix A (Zaheer et al. 2017; Oladosu et al. 2020)."""

from __future__ import annotations

from torch import Tensor, nn


class PermutationEquivariant(nn.Module):
    """Γx + b − Λ mean_set(x), Λ without bias.

    Input and output have shape (batch, set, in) and (batch, set, out).
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.Gamma = nn.Linear(n_in, n_out)
        self.Lambda = nn.Linear(n_in, n_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, set, in) to (batch, set, out)."""
        out: Tensor = self.Gamma(x) - self.Lambda(x.mean(dim=1, keepdim=True))
        return out


class DeepSets(nn.Module):
    """Five equivariant blocks with ELU, the mean over the set, and a small head.

    Parameter names are those of the published state dict, so that it loads as it is.

    Parameters
    ----------
    n_in : int
        Features per set element: star (5), cluster (3) and support member (5).
    width : int
        Hidden width.
    """

    def __init__(self, n_in: int = 13, width: int = 64) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for layer in range(5):
            blocks += [PermutationEquivariant(n_in if layer == 0 else width, width), nn.ELU()]
        self.phi = nn.Sequential(*blocks)
        self.ro = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(width, width),
            nn.ELU(),
            nn.Dropout(0.5),
            nn.Linear(width, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (batch, 2), of inputs (batch, set, n_in); class 1 is "member"."""
        out: Tensor = self.ro(self.phi(x).mean(dim=1))
        return out


def build(state: dict[str, Tensor], width: int) -> DeepSets:
    """Return the network in eval mode with the weights `state`, gradients off.

    Raises
    ------
    RuntimeError
        If names or shapes do not fit.
    """
    network = DeepSets(n_in=state["phi.0.Gamma.weight"].shape[1], width=width)
    network.load_state_dict(state)
    network.eval()
    return network.requires_grad_(False)
