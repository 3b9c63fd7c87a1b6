#!/bin/sh
# Makes the synthetic clips: two shapes that move toward and away from each other over a plain ground, with the number of the frame drawn as a bar code of
# 12 squares (the most significant bit on the left, white is 1) along the lower edge, so that a test can read from a picture which frame it is.
# Every picture is computed here; nothing comes from a recording. Needs ffmpeg with libx264 and libvpx-vp9.
#   sh make.sh OUT.mp4|OUT.webm [SECONDS] [RATE] [WIDTHxHEIGHT]
set -eu
out=$1 seconds=${2:-12} rate=${3:-25} size=${4:-320x180}
w=${size%x*} h=${size#*x}
cell=$((w / 16)) left=$((w / 8)) top=$((h - h / 9 - 4)) tall=$((h / 9))
# In geq N is the number of the frame, X and Y the place of the pixel.
bits="between(Y,$top,$((top + tall - 1)))*between(X,$left,$((left + 12 * cell - 1)))"
bit="mod(floor(N/pow(2,11-floor((X-$left)/$cell))),2)"
a="lt(hypot(X-($w*0.30+$w*0.10*sin(N/$rate)),Y-$h*0.42),$h*0.16)"
b="lt(max(abs(X-($w*0.70-$w*0.10*sin(N/$rate*0.7))),abs(Y-($h*0.42+$h*0.08*cos(N/$rate)))),$h*0.13)"
luma="if($bits,if($bit,235,16),if($a,170,if($b,110,60)))"
case $out in
*.webm) codec="-c:v libvpx-vp9 -b:v 0 -crf 40 -deadline good -cpu-used 4 -row-mt 0 -threads 1" sound="-c:a libopus -b:a 16k" ;;
*) codec="-c:v libx264 -preset slow -crf 28 -bf 0 -threads 1 -movflags +faststart" sound="-c:a aac -b:a 24k" ;;
esac
# shellcheck disable=SC2086
exec ffmpeg -nostdin -v error -y -f lavfi -i "color=c=gray:s=$size:r=$rate:d=$seconds,format=yuv420p,geq=lum='$luma':cb=128:cr=128" \
	-f lavfi -i "sine=frequency=220:sample_rate=48000:duration=$seconds,volume=0.1" \
	-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -pix_fmt yuv420p -g "$rate" $codec $sound -ac 1 -shortest "$out"
