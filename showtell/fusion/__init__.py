"""Part 4: giving a language model eyes — image plan, splice, connectors and the models that join the towers."""
