"""A recipe: TOML in, one validated and frozen object out.

Unknown keys are refused with the nearest known one. Every field says its unit in the schema
(`polymath schema`). Functions take their own section, not the whole recipe.
"""

from polymath.recipe.objective import AdvantageSection, CriticSection, EntropySection, KLSection, LossSection
from polymath.recipe.outcome import EngineSection, EvaluateSection, LogSection
from polymath.recipe.overrides import lay_over, parse_override
from polymath.recipe.reading import arm_recipe, first_difference, make_recipe, read_recipe, read_table
from polymath.recipe.rollouts import FilterSection, RewardSection, RolloutSection, SamplerSection
from polymath.recipe.schedule import DemonstrationsSection, OptimizerSection, RescueSection, StopSection, TrainSection
from polymath.recipe.section import Section
from polymath.recipe.subject import LabelSection, LoraSection, ModelSection, PromptSection, SampleSection
from polymath.recipe.whole import STAGED, Recipe, StageSection, stage_recipe

__all__ = [
    "STAGED",
    "AdvantageSection",
    "CriticSection",
    "DemonstrationsSection",
    "EngineSection",
    "EntropySection",
    "EvaluateSection",
    "FilterSection",
    "KLSection",
    "LabelSection",
    "LogSection",
    "LoraSection",
    "LossSection",
    "ModelSection",
    "OptimizerSection",
    "PromptSection",
    "Recipe",
    "RescueSection",
    "RewardSection",
    "RolloutSection",
    "SampleSection",
    "SamplerSection",
    "Section",
    "StageSection",
    "StopSection",
    "TrainSection",
    "arm_recipe",
    "first_difference",
    "lay_over",
    "make_recipe",
    "parse_override",
    "read_recipe",
    "read_table",
    "stage_recipe",
]
