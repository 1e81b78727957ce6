//! Asks the service how it is, on an open-loop schedule. Classifies each answer and judges none.
