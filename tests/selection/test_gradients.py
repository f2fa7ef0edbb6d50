"""Alignment of gradients: golden values, random projection, and a policy whose gradients are exact."""

import numpy as np
import pytest
import torch

from polymath.recipe import AdvantageSection
from polymath.selection.gradients import cosines, grad_align, grad_align_learnable, learn_align, project
from polymath.training.advantages import grpo

SEEDS = range(12)


def test_learn_align_has_the_golden_values_of_the_sheet():
    # reference/recipes.md 29: V .25 .25 .09 from p .5 .5 .1
    gradient = np.array([[1, 0], [1, 1], [-1, 0]], dtype=float)
    scores = learn_align(gradient, np.array([0.5, 0.5, 0.1]))
    assert np.round(scores, 4).tolist() == [0.0281, 0.0303, -0.0101]


def test_learn_align_equals_the_mean_of_the_matrix():
    rng = np.random.default_rng(1)
    gradient, rate = rng.normal(size=(30, 7)), rng.uniform(size=30)
    value = rate * (1 - rate)
    unit = [row / np.sqrt((row**2).sum()) for row in gradient]
    table = [[value[i] * value[j] * (unit[i] @ unit[j]) for j in range(30)] for i in range(30)]
    assert learn_align(gradient, rate) == pytest.approx(np.mean(table, axis=1))


CANDIDATES = np.array([[2, 0], [1, 1], [3, -1], [0, 0]], dtype=float)
VALIDATION = np.array([[1, 0], [0, 2]], dtype=float)  # two disciplines


def test_grad_align_by_hand():
    # Cosines with (1, 0): 1, 1/sqrt 2, 3/sqrt 10, 0; with (0, 2): 0, 1/sqrt 2, -1/sqrt 10, 0.
    s2, s10 = 2**-0.5, 10**-0.5
    assert grad_align(CANDIDATES, VALIDATION) == pytest.approx([0.5, s2, s10, 0])
    assert grad_align(CANDIDATES, VALIDATION, reduce="min") == pytest.approx([0, s2, -s10, 0])
    assert grad_align(CANDIDATES, VALIDATION, is_dot=True) == pytest.approx([1, 1.5, 0.5, 0])
    rates = np.array([0.5, 0.1, 1.0, 0.0])
    assert grad_align_learnable(CANDIDATES, VALIDATION, rates) == pytest.approx([0.5, 0.36 * s2, 0, 0])


def test_a_sample_without_gradient_is_aligned_with_nothing_and_is_no_nan():
    assert cosines(np.zeros((1, 3)), np.ones((2, 3))).tolist() == [[0, 0]]
    assert learn_align(np.zeros((2, 3)), np.array([0.0, 1.0])).tolist() == [0, 0]


# --- random projection


def vectors_with_cosine(cosine, size, rng):
    first, other = rng.normal(size=(2, size))
    other -= first * (first @ other) / (first @ first)
    first, other = first / np.linalg.norm(first), other / np.linalg.norm(other)
    return first, cosine * first + np.sqrt(1 - cosine**2) * other


@pytest.mark.parametrize("cosine", [0.0, 0.5, 0.9])
def test_projection_keeps_cosines(cosine):
    """A dense random matrix errs by a standard deviation of (1 - c^2) / sqrt(K); so does this sparse one."""
    first, other = vectors_with_cosine(cosine, 20_000, np.random.default_rng(3))
    errors = np.array(
        [cosines(project([first], 512, seed)[None], project([other], 512, seed)[None]).item() for seed in SEEDS]
    ) - cosine  # fmt: skip
    deviation = (1 - cosine**2) / np.sqrt(512)
    # chi-square with 12 degrees of freedom is above 32.9 with probability 0.001
    assert (errors**2).sum() / deviation**2 < 32.9
    assert np.abs(errors).max() < 5 * deviation


def test_projection_keeps_lengths_of_gradients_with_a_few_large_coordinates():
    """Its 16 large coordinates may meet in a row of the sparse matrix: seldom, and in one of 4 blocks only."""
    gradient = np.zeros(5_000)
    gradient[:16] = 1.0
    lengths = np.array([np.linalg.norm(project([gradient], 512, seed)) for seed in range(40)])
    assert np.abs(lengths / 4 - 1).max() < 0.35
    assert (lengths**2).mean() == pytest.approx(16, rel=0.06)


def test_projection_is_linear_and_named_by_its_seed():
    first, other = np.random.default_rng(4).normal(size=(2, 3_000))
    both = project([first[:1000].reshape(10, 100) + other[:1000].reshape(10, 100), first[1000:] + other[1000:]], 64, 7)
    apart = [project([one[:1000], one[1000:]], 64, 7) for one in (first, other)]
    assert both == pytest.approx(apart[0] + apart[1])
    assert not np.allclose(apart[0], project([first[:1000], first[1000:]], 64, 8))


def test_parts_of_a_gradient_do_not_share_their_random_matrix():
    part = np.ones(3_000)
    assert not np.allclose(project([part, -part], 64, 0), 0)


def test_a_part_longer_than_a_chunk_keeps_its_length():
    long = np.ones(1_300_000)
    lengths = [np.linalg.norm(project([long], 512, seed)) ** 2 / 1_300_000 for seed in range(8)]
    assert np.mean(lengths) == pytest.approx(1, abs=5 * np.sqrt(2 / 512 / 8))


def test_dimension_zero_keeps_the_gradient_whole():
    assert project([np.array([[1.0, 2], [3, 4]]), np.array([5.0])], 0, 0).tolist() == [1, 2, 3, 4, 5]


# --- a linear-softmax policy: p(answer | x) = softmax(W x), where everything can be computed


NUM_ANSWERS, NUM_FEATURES = 5, 40


def policy_of(weights, features):
    logits = weights @ features
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def exact_gradient(weights, features, answer):
    """Of the probability to be right with regard to W: p_a (onehot_a - p) x^T."""
    probability = policy_of(weights, features)
    return probability[answer] * np.outer(np.eye(NUM_ANSWERS)[answer] - probability, features)


def make_world(seed):
    """Weights, 24 candidates and 10 validation problems; candidate 17 is planted: it is like those problems."""
    rng = np.random.default_rng(seed)
    weights = 0.1 * rng.normal(size=(NUM_ANSWERS, NUM_FEATURES))
    direction = rng.normal(size=NUM_FEATURES)
    problems = [(direction + 0.5 * rng.normal(size=NUM_FEATURES), 2) for _ in range(10)]
    candidates = [(rng.normal(size=NUM_FEATURES), int(rng.integers(NUM_ANSWERS))) for _ in range(24)]
    candidates[17] = (direction + 0.5 * rng.normal(size=NUM_FEATURES), 2)
    return weights, candidates, problems


def validation_reward(weights, problems):
    return sum(policy_of(weights, features)[answer] for features, answer in problems)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_sample_ranks_first_and_cosines_order_samples_by_what_a_step_on_them_gains(seed):
    weights, candidates, problems = make_world(seed)
    gradients = [exact_gradient(weights, *sample) for sample in candidates]
    validation = sum(exact_gradient(weights, *problem) for problem in problems)
    whole = grad_align(np.stack([g.ravel() for g in gradients]), validation.ravel()[None])
    before = validation_reward(weights, problems)
    gains = [validation_reward(weights + 1e-6 * g / np.linalg.norm(g), problems) - before for g in gradients]
    assert np.argsort(whole).tolist() == np.argsort(gains).tolist()
    assert whole.argmax() == 17
    projected = grad_align(np.stack([project([g], 64, seed) for g in gradients]), project([validation], 64, seed)[None])
    assert projected.argmax() == 17


def sampled_gradient(weights, features, answer, num_draws, generator):
    """GRPO's estimate, by autograd: mean over draws of advantage times log-probability."""
    weights_t = torch.tensor(weights, requires_grad=True)
    logprob = torch.log_softmax(weights_t @ torch.tensor(features), dim=0)
    draws = torch.multinomial(logprob.detach().exp(), num_draws, replacement=True, generator=generator)
    reward = (draws == answer).double()[None]
    advantage = grpo(reward, torch.ones_like(reward), AdvantageSection())[0]
    (gradient,) = torch.autograd.grad((advantage * logprob[draws]).mean(), weights_t)
    return gradient.numpy()


def test_the_planted_sample_ranks_first_by_sampled_gradients_too():
    """Sixteen draws a sample instead of the exact gradient; chance would be 1 in 24."""
    found = 0
    for seed in SEEDS:
        weights, candidates, problems = make_world(seed)
        generator = torch.Generator().manual_seed(seed)
        gradients = [sampled_gradient(weights, *sample, 16, generator) for sample in candidates]
        validation = sum(sampled_gradient(weights, *problem, 16, generator) for problem in problems)
        projected = np.stack([project([g], 64, seed) for g in gradients])
        found += int(grad_align(projected, project([validation], 64, seed)[None]).argmax() == 17)
    assert found >= 10


def test_the_worst_case_prefers_the_sample_that_harms_no_discipline():
    """Two disciplines that want different answers to overlapping features; one sample helps both."""
    rng = np.random.default_rng(5)
    weights = np.zeros((NUM_ANSWERS, NUM_FEATURES))
    one, two = np.zeros(NUM_FEATURES), np.zeros(NUM_FEATURES)
    one[:6], two[4:10] = 1.0, 1.0
    validation = np.stack([exact_gradient(weights, one, 0).ravel(), exact_gradient(weights, two, 1).ravel()])
    helps_one, helps_both = (one, 0), (one * (np.arange(NUM_FEATURES) < 4) - two * (np.arange(NUM_FEATURES) >= 6), 0)
    noise = [(rng.normal(size=NUM_FEATURES), 3) for _ in range(6)]
    gradients = np.stack([exact_gradient(weights, *sample).ravel() for sample in [helps_one, helps_both, *noise]])
    rewards = [[policy_of(g.reshape(weights.shape) * 1e-6, x)[a] for x, a in ((one, 0), (two, 1))] for g in gradients]
    gains = np.array(rewards) - 1 / NUM_ANSWERS
    assert gains[0, 1] < 0 < gains[1].min()  # what the worst case must see
    assert grad_align(gradients, validation, reduce="min").argmax() == 1
