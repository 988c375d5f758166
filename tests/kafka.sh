#!/usr/bin/env bash
# A real Kafka broker for tests and benches: Apache Kafka from Maven Central, one process, KRaft, on loopback.
#
#   tests/kafka.sh fetch                 brings its jars into the cache, unless they are there; says where that is
#   tests/kafka.sh start FOLDER [OWNER]  starts a broker whose storage is FOLDER; says its address once it answers.
#                                        It ends with the process OWNER. Started again, it keeps storage and address.
#                                        Whoever comes by the port in FOLDER/sasl_port must be rhumb, password sesame.
#   tests/kafka.sh stop FOLDER           stops it, as an operator would
#   tests/kafka.sh kill FOLDER           ends it at once, as a power cut would
set -euo pipefail
version=4.1.0
jars="${CARGO_TARGET_DIR:-$HOME/.cache/rhumb-target}/kafka-$version"

fetch() {
    if [ ! -e "$jars/whole" ]; then
        local pom
        pom=$(mktemp -d)
        cat > "$pom/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rhumb</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
        rm -rf "$jars"
        mvn -q -B -f "$pom/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
        rm -rf "$pom"
        touch "$jars/whole"
    fi
    echo "$jars"
}

is_free() { ! (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if is_free "$port"; then echo "$port"; return; fi
    done
}

settings() {
    cat <<SETTINGS
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$2
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2,SASL://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$1,SASL://127.0.0.1:$3
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_rhumb="sesame";
log.dirs=$4/storage
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.ms=-1
message.max.bytes=20000000
SETTINGS
}

# Starts it on the ports of its settings; fails if it ends before it answers.
launch() {
    local folder=$1
    : > "$folder/log"
    # shellcheck disable=SC2086
    java ${KAFKA_JVM:--Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1} -cp "$jars/*" kafka.Kafka \
        "$folder/settings" < /dev/null > "$folder/log" 2>&1 &
    echo $! > "$folder/pid"
    until grep -q 'Kafka Server started' "$folder/log"; do
        kill -0 "$(cat "$folder/pid")" 2> /dev/null || return 1
        sleep 0.1
    done
}

start() {
    local folder=$1 owner=${2:-} tries=0
    fetch > /dev/null
    mkdir -p "$folder"
    if [ -e "$folder/storage" ]; then
        launch "$folder" || { tail -n 40 "$folder/log" >&2; exit 1; }
    else
        while :; do
            free_port > "$folder/port"
            free_port > "$folder/sasl_port"
            settings "$(cat "$folder/port")" "$(free_port)" "$(cat "$folder/sasl_port")" "$folder" > "$folder/settings"
            java -cp "$jars/*" kafka.tools.StorageTool format -t "$(java -cp "$jars/*" kafka.tools.StorageTool random-uuid 2> /dev/null)" \
                -c "$folder/settings" > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
            launch "$folder" && break
            # Somebody else was faster with a port.
            tries=$((tries + 1))
            if [ "$tries" = 5 ] || ! grep -q 'Address already in use' "$folder/log"; then tail -n 40 "$folder/log" >&2; exit 1; fi
            rm -rf "$folder/storage"
        done
    fi
    if [ -n "$owner" ]; then
        local pid
        pid=$(cat "$folder/pid")
        (while kill -0 "$owner" && kill -0 "$pid"; do sleep 1; done; kill -0 "$owner" || kill -9 "$pid") < /dev/null > /dev/null 2>&1 &
    fi
    echo "127.0.0.1:$(cat "$folder/port")"
}

# Ends the broker with a signal, and waits until it has ended.
end() {
    local pid
    pid=$(cat "$2/pid")
    kill "-$1" "$pid" 2> /dev/null || true
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
}

case "${1:-}" in
    fetch) fetch ;;
    start) start "$2" "${3:-}" ;;
    stop) end TERM "$2" ;;
    kill) end KILL "$2" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
