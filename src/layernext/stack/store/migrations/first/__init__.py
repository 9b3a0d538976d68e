"""The tables that the first migration creates; they never change here."""
