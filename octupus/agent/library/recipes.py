"""Recipes: by what is at hand, for as many people as wanted. 菜谱。"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Food"

_RECIPES = json.loads((Path(__file__).parent / "data" / "recipes.json").read_text(encoding="utf-8"))

Diet = Literal["any", "vegetarian", "vegan"]
_ALLOWED = {"any": ("any", "vegetarian", "vegan"), "vegetarian": ("vegetarian", "vegan"), "vegan": ("vegan",)}


def find_recipes(
    name: str = "", ingredients: list[str] | None = None, max_minutes: int | None = None, diet: Diet = "any"
) -> dict[str, Any]:
    """Find recipes by name, by ingredients that they all use, by time and by diet.

    Args:
        name: Part of the dish's name, such as 豆腐 or soup.
        ingredients: Ingredients that the dish has, such as egg and tomato.
        max_minutes: Longest time of preparation.
        diet: What the dish must be fit for.
    """
    if diet not in _ALLOWED:
        raise ValueError(f"diet must be one of {', '.join(_ALLOWED)}, not {diet!r}")
    wanted = name.strip().casefold()
    needed = {ingredient.strip().casefold() for ingredient in ingredients or []}
    found = [
        {key: recipe[key] for key in ("id", "name", "english_name", "minutes", "diet")}
        for recipe in _RECIPES
        if (wanted in recipe["name"].casefold() or wanted in recipe["english_name"].casefold())
        and needed <= {ingredient["name"] for ingredient in recipe["ingredients"]}
        and (max_minutes is None or recipe["minutes"] <= max_minutes)
        and recipe["diet"] in _ALLOWED[diet]
    ]
    return {"recipes": found}


def get_recipe(recipe_id: str, servings: int | None = None) -> dict[str, Any]:
    """Give a recipe with the amounts of its ingredients.

    Args:
        recipe_id: Id of the recipe, such as rcp_2.
        servings: For how many people, from 1 to 50; without it, as many as the recipe is for.
    """
    recipe = _recipe(recipe_id)
    people = recipe["servings"] if servings is None else servings
    return {**recipe, "servings": people, "ingredients": _amounts(recipe, people)}


def make_shopping_list(recipe_ids: list[str], servings: int) -> dict[str, Any]:
    """Add up what several dishes need.

    Args:
        recipe_ids: Ids of the recipes, such as rcp_1 and rcp_4.
        servings: For how many people each dish is, from 1 to 50.
    """
    if not recipe_ids:
        raise ValueError("recipe_ids must hold at least one id")
    if len(recipe_ids) > 50:
        raise ValueError("recipe_ids must hold at most 50 ids")
    sums: dict[tuple[str, str], float] = {}
    for recipe_id in recipe_ids:
        for ingredient in _amounts(_recipe(recipe_id), servings):
            key = (ingredient["name"], ingredient["unit"])
            sums[key] = round(sums.get(key, 0) + ingredient["amount"], 2)
    return {"items": [{"name": name, "amount": amount, "unit": unit} for (name, unit), amount in sums.items()]}


def _recipe(recipe_id: str) -> dict[str, Any]:
    for recipe in _RECIPES:
        if recipe["id"] == recipe_id:
            return dict(recipe)
    raise ValueError(f"there is no recipe {recipe_id!r}; ids go from rcp_1 to rcp_{len(_RECIPES)}")


def _amounts(recipe: dict[str, Any], servings: int) -> list[dict[str, Any]]:
    if not 1 <= servings <= 50:
        raise ValueError(f"servings must be from 1 to 50, not {servings}")
    return [
        {**ingredient, "amount": round(ingredient["amount"] * servings / recipe["servings"], 2)}
        for ingredient in recipe["ingredients"]
    ]
