"""Neural networks behind protocols: adapters, registry, fakes."""
