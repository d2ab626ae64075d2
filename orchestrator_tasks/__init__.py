"""The hands: the Celery program, one thin task per step, FFmpeg, QA, periodic work and the embedded stack."""
