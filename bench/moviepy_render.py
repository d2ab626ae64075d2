"""The timeline in MoviePy 2, as its documentation teaches it. A program of its own: it shares nothing with ours.

moviepy_render.py FOLDER OUTPUT SECONDS TITLE
"""

import sys
from pathlib import Path

from moviepy import AudioFileClip, CompositeAudioClip, CompositeVideoClip, ImageClip, TextClip, VideoFileClip, afx, vfx


def render(folder: Path, output: str, seconds: float, title: str) -> None:
    """Compose and write the file."""
    background = VideoFileClip(str(folder / "background.mp4")).subclipped(0, seconds)
    inset = VideoFileClip(str(folder / "inset.mp4"), audio=False).subclipped(0, seconds)
    inset = inset.resized((672, 378)).with_position((1152, 108))
    logo = ImageClip(str(folder / "logo.png")).resized((192, 192)).with_opacity(0.5)
    logo = logo.with_duration(seconds).with_position((96, 810))
    text = TextClip(text=title, font_size=72, color="white").with_start(1).with_duration(min(6, seconds) - 1)
    text = text.with_position((96, 108)).with_effects([vfx.CrossFadeIn(1)])
    music = AudioFileClip(str(folder / "music.wav")).subclipped(0, seconds).with_effects([afx.MultiplyVolume(0.3)])
    sound = CompositeAudioClip([background.audio, music]).with_effects([afx.AudioFadeOut(2)])
    scene = CompositeVideoClip([background, inset, logo, text], size=(1920, 1080)).with_audio(sound)
    scene.write_videofile(
        output, fps=30, codec="libx264", preset="veryfast", audio_codec="aac", audio_bitrate="128k", logger=None,
        ffmpeg_params=["-crf", "21", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
    )  # fmt: skip


if __name__ == "__main__":
    render(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4])
