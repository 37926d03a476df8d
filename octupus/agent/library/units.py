"""Conversion between units of length, mass, time, volume, area, speed, energy, data and temperature."""

from __future__ import annotations

from typing import Any, Literal

CATEGORY = "Tools"

Quantity = Literal["length", "mass", "time", "volume", "area", "speed", "energy", "data", "temperature"]

_FACTORS = {
    "length": {
        "millimetre": 0.001, "centimetre": 0.01, "metre": 1.0, "kilometre": 1000.0, "inch": 0.0254, "foot": 0.3048,
        "yard": 0.9144, "mile": 1609.344, "nautical mile": 1852.0, "li": 500.0,
    },
    "mass": {
        "milligram": 1e-6, "gram": 0.001, "kilogram": 1.0, "tonne": 1000.0, "ounce": 0.028349523125,
        "pound": 0.45359237, "stone": 6.35029318, "jin": 0.5,
    },
    "time": {
        "millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0,
    },
    "volume": {
        "millilitre": 0.001, "centilitre": 0.01, "litre": 1.0, "cubic metre": 1000.0, "teaspoon": 0.00492892159375,
        "tablespoon": 0.01478676478125, "cup": 0.2365882365, "pint": 0.473176473, "gallon": 3.785411784,
    },
    "area": {
        "square centimetre": 1e-4, "square metre": 1.0, "hectare": 1e4, "square kilometre": 1e6,
        "square foot": 0.09290304, "acre": 4046.8564224, "mu": 10000 / 15,
    },
    "speed": {"metre per second": 1.0, "kilometre per hour": 1 / 3.6, "mile per hour": 0.44704, "knot": 1852 / 3600},
    "energy": {"joule": 1.0, "kilojoule": 1000.0, "calorie": 4.184, "kilocalorie": 4184.0, "kilowatt hour": 3.6e6},
    "data": {
        "bit": 0.125, "byte": 1.0, "kilobyte": 1e3, "megabyte": 1e6, "gigabyte": 1e9, "terabyte": 1e12,
        "kibibyte": 1024.0, "mebibyte": 1024.0**2, "gibibyte": 1024.0**3,
    },
}  # fmt: skip
_TEMPERATURES = {"celsius": (1.0, 273.15), "fahrenheit": (5 / 9, 459.67 * 5 / 9), "kelvin": (1.0, 0.0)}
"""Kelvin for one degree, and kelvin at zero."""
_UNITS = {quantity: list(factors) for quantity, factors in _FACTORS.items()} | {"temperature": list(_TEMPERATURES)}
_SHORT = {
    "mm": "millimetre", "cm": "centimetre", "m": "metre", "km": "kilometre", "in": "inch", "ft": "foot", "yd": "yard",
    "mi": "mile", "nmi": "nautical mile", "里": "li", "mg": "milligram", "g": "gram", "kg": "kilogram", "t": "tonne",
    "oz": "ounce", "lb": "pound", "斤": "jin", "ms": "millisecond", "s": "second", "min": "minute", "h": "hour",
    "ml": "millilitre", "cl": "centilitre", "l": "litre", "ha": "hectare", "亩": "mu", "m/s": "metre per second",
    "km/h": "kilometre per hour", "mph": "mile per hour", "kn": "knot", "j": "joule", "kj": "kilojoule",
    "cal": "calorie", "kcal": "kilocalorie", "kwh": "kilowatt hour", "b": "byte", "kb": "kilobyte", "mb": "megabyte",
    "gb": "gigabyte", "tb": "terabyte", "kib": "kibibyte", "mib": "mebibyte", "gib": "gibibyte", "°c": "celsius",
    "c": "celsius", "°f": "fahrenheit", "f": "fahrenheit", "k": "kelvin", "feet": "foot", "inches": "inch",
    "meter": "metre", "meters": "metre", "kilometer": "kilometre", "kilometers": "kilometre", "liter": "litre",
    "liters": "litre", "公里": "kilometre", "公斤": "kilogram", "英里": "mile", "磅": "pound",
}  # fmt: skip


def convert_unit(value: float, from_unit: str, to_unit: str, digits: int = 4) -> dict[str, Any]:
    """Convert a value into another unit of the same quantity.

    Args:
        value: How much.
        from_unit: Unit of the value, such as kilometre or km.
        to_unit: Unit to convert into, such as mile or mi.
        digits: Digits behind the point, from 0 to 10.
    """
    if not 0 <= digits <= 10:
        raise ValueError(f"digits must be from 0 to 10, not {digits}")
    if not abs(value) <= 1e100:
        raise ValueError(f"value must be from -1e100 to 1e100, not {value}")
    (quantity, source), (other, target) = _unit(from_unit), _unit(to_unit)
    if quantity != other:
        raise ValueError(f"{source} is a unit of {quantity} and {target} one of {other}; they cannot be converted")
    if quantity == "temperature":
        (scale, zero), (new_scale, new_zero) = _TEMPERATURES[source], _TEMPERATURES[target]
        kelvin = value * scale + zero
        if kelvin < -1e-9:
            raise ValueError(f"{value} {source} is below absolute zero")
        converted = (kelvin - new_zero) / new_scale
    else:
        converted = value * _FACTORS[quantity][source] / _FACTORS[quantity][target]
    return {"value": round(converted, digits), "unit": target, "quantity": quantity}


def list_units(quantity: Quantity) -> dict[str, Any]:
    """List the units of a quantity.

    Args:
        quantity: What is measured.
    """
    if quantity not in _UNITS:
        raise ValueError(f"quantity must be one of {', '.join(_UNITS)}, not {quantity!r}")
    return {"quantity": quantity, "units": _UNITS[quantity]}


def compare_quantities(first_value: float, first_unit: str, second_value: float, second_unit: str) -> dict[str, Any]:
    """Tell which of two amounts of the same quantity is greater.

    Args:
        first_value: How much the first is.
        first_unit: Unit of the first, such as pound.
        second_value: How much the second is.
        second_unit: Unit of the second, such as kilogram.
    """
    first = convert_unit(first_value, first_unit, second_unit, 10)["value"]
    if not abs(second_value) <= 1e100:
        raise ValueError(f"second_value must be from -1e100 to 1e100, not {second_value}")
    greater = (
        "equal"
        if abs(first - second_value) <= 1e-9 * abs(second_value)
        else "first"
        if first > second_value
        else "second"
    )
    return {"greater": greater, "first_in_second_unit": first}


def _unit(name: str) -> tuple[str, str]:
    """Quantity and full name of a unit."""
    wanted = " ".join(name.strip().casefold().split())
    for spelled in (wanted, wanted.removesuffix("s"), wanted.replace("meter", "metre").removesuffix("s")):
        full = _SHORT.get(spelled, spelled)
        for quantity, units in _UNITS.items():
            if full in units:
                return quantity, full
    raise ValueError(f"no unit {name!r} is known; list_units gives the units of a quantity, such as length")
