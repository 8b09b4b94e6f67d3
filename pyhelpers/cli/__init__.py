"""One module per verb: read the inputs, call one function below, write the outputs. No logic, no connection here."""
