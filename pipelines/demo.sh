#!/usr/bin/env bash
# The demo: runs pipelines/demo.toml with the given rhumb and shows what happened.
set -euo pipefail
rhumb="$1"
cd "$(dirname "$0")/.."
pipeline=pipelines/demo.toml
rm -rf data/demo && mkdir -p data
"$rhumb" run "$pipeline" --until-end --summary data/demo-summary.json
ask() { "$rhumb" query "$pipeline" "$1" --format csv | tail -n +2; }

echo
echo "What happened"
ask "select 'frames in', count(*) from (select 1 from history union all select 1 from rejects)" | tr ',' '\t'
ask "select 'in the history', count(*) from history" | tr ',' '\t'
ask "select concat('rejected: ', reason), count(*) as n from rejects group by reason order by n desc" | tr ',' '\t'
ask "select concat('alerts: ', kind), count(*) from alerts group by kind order by kind" | tr ',' '\t'

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
