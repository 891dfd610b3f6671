"""Addresses of the moderators' pages."""

from django.urls import path

from moderation import views

urlpatterns = [
    path("moderation", views.queue, name="review_queue"),
    path("moderation/decided", views.decided, name="review_decided"),
    path("moderation/versions/<int:pk>", views.review, name="review_version"),
]
