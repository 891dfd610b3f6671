"""Addresses of moderation's pages."""

from django.urls import path

from moderation.views import review

urlpatterns = [
    path("moderation", review.queue, name="review_queue"),
    path("moderation/decided", review.decided, name="review_decided"),
    path("moderation/versions/<int:pk>", review.review, name="review_version"),
]
