"""Towers other than the shipped ones: chosen by configuration, imported only where they are used."""
