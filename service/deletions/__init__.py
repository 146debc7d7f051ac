"""Deleting as a person asks for it: what would go, the order to remove it, and what is kept about an annotator.

Offers `forgetting.forget_person`, `orders.Preview`, `orders.lift`, `orders.order`, `orders.preview`, `people.data_of`.
"""
