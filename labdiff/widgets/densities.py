"""Curves that the browser computes: Gaussians, and Bayes' rule on a grid."""

from labdiff.widgets.tables import as_double, as_real


def area(y, axes=("t",)):
    """A curve (P, M), with P rows over axes, as the area under it."""
    return {"y": as_real(y), "axes": list(axes), "area": True}


def bell(mean, var, peak=None):
    """exp(-(x - mean)^2 / (2 var)): a linear() mean, var (P,) over its axes; `peak` a text above its top."""
    return {"mean": mean, "var": as_double(var), "peak": peak}


def noised_mixture(mixture, alpha_bar, axes=("t",)):
    """The density of a GaussianMixture in one dimension that is noised to each level of alpha_bar (P,), its
    highest value on the grid 1.
    """
    return {
        "means": as_double(mixture.means.flatten().double()),
        "weights": as_double(mixture.weights.double().log()),
        "signal": as_double(alpha_bar.sqrt()),
        "vars": as_double(alpha_bar * mixture.var + 1 - alpha_bar),
        "axes": list(axes),
    }


def bayes(prior, likelihood):
    """Their product, scaled to height 1, given their places among the curves: a noised_mixture() and a
    bell().

    Numbers: "mean", "std" of it, and "kl", in nats, to the Gaussian with the same two.
    """
    return {"bayes": [prior, likelihood]}


def gaussian_of(product):
    """The Gaussian with mean and variance of a bayes() curve, given its place, and on its scale."""
    return {"gaussian_of": product}
