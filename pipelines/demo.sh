#!/usr/bin/env bash
# The demo: runs pipelines/demo.toml with the given rhumb and shows what happened.
set -euo pipefail
rhumb="$1"
cd "$(dirname "$0")/.."
pipeline=pipelines/demo.toml
summary=data/demo-summary.json
rm -rf data/demo && mkdir -p data
"$rhumb" run "$pipeline" --until-end --summary "$summary"
ask() { "$rhumb" query "$pipeline" "$1" --format csv | tail -n +2; }
# A count at the top of the run's summary, which has a field a line; a table of counts in it, largest first.
told() { sed -n "s/^  \"$1\": \([0-9]*\),\{0,1\}$/\1/p" "$summary"; }
counts() {
    awk -v table="$1" '
        $0 == "  \"" table "\": {" { inside = 1; next }
        inside && /^  }/ { exit }
        inside { gsub(/[",:]/, ""); print $1 "\t" $2 }' "$summary" | sort -t "$(printf '\t')" -k 2 -rn
}

echo
echo "What happened"
printf 'frames in\t%s\n' "$(told frames_in)"
printf 'in the history\t%s\n' "$(told history_rows)"
printf 'of them late\t%s\n' "$(told late)"
counts rejects | sed 's/^/rejected: /'
counts alerts | sed 's/^/alerts: /'
counts tables | sed -n 's/^windows_/rows of window /p'
counts too_late | sed 's/^/too late for /'

echo
echo "Busiest neighbourhoods (vehicles that entered, by how often)"
ask "select zone_id, count(*) as n from alerts where kind = 'enter' group by zone_id order by n desc limit 10" |
    awk -F, '{ if (!most) most = $2; bar = ""; for (i = 0; i < 40 * $2 / most; i++) bar = bar "#"; printf "%-24s %7d %s\n", $1, $2, bar }'

cat <<END

To try (the lake is in data/demo/lake):

  $rhumb query $pipeline "select vehicle_id, count(*) as frames, max(speed_mps) as fastest from history group by vehicle_id order by frames desc limit 5"
  $rhumb query $pipeline "select zone_id, window_start, frames, speed_avg from windows_zone_speed order by frames desc limit 5"
  $rhumb query $pipeline "select vehicle_id, event_time, lat, lon, zone_ids from current order by event_time desc limit 5"
END
