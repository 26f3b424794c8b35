{{/* Names, labels, and what of files/arrangement.json the other templates need. */}}

{{/* A StatefulSet's name has at most 52 characters, since a label of its pods holds it with a digest. */}}
{{- define "keytrail.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keytrail.arrangement" -}}
{{- .Files.Get "files/arrangement.json" -}}
{{- end -}}

{{- define "keytrail.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Not the version: labels of a pod's template change its pods. */}}
{{- define "keytrail.labels" -}}
{{ include "keytrail.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "keytrail.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "keytrail.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The image; `writer` may stay behind in an upgrade. */}}
{{- define "keytrail.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := dict -}}
{{- if eq .component "writer" }}{{ $own = .root.Values.writer.image }}{{ end -}}
{{- $repository := required "image.repository: name the image that you built of Dockerfile, in your registry." $image.repository -}}
{{- if or (and $image.tag $image.digest) (and $own.tag $own.digest) -}}
{{- fail "image, writer.image: name a tag or a digest of each, not both. The digest would count, whatever the tag says. Where your values have a digest, an upgrade sets another digest." -}}
{{- end -}}
{{- $digest := $own.digest | default (ternary "" $image.digest (not (empty $own.tag))) -}}
{{- if $digest -}}
{{- printf "%s@%s" $repository $digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($own.tag | default $image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Which kinds of process run, with the key of their values. */}}
{{- define "keytrail.components" -}}
api: api
writer: writer
projector: projector
alert-worker: alertWorker
{{- if .Values.alerts.file }}
notifier: notifier
{{- end }}
{{- if .Values.auditDevices.secretName }}
audit-devices: auditDevices
{{- end }}
{{- if .Values.transparencyLog.enabled }}
notary: notary
{{- end }}
{{- end -}}

{{- define "keytrail.metricsPort" -}}9600{{- end -}}

{{- define "keytrail.bootstrap" -}}
{{- $strimzi := .Values.kafka.strimzi -}}
{{- if and $strimzi.cluster (not .Values.kafka.bootstrap) -}}
{{- printf "%s-kafka-bootstrap.%s.svc:%d" $strimzi.cluster ($strimzi.namespace | default .Release.Namespace) (int $strimzi.port) -}}
{{- else -}}
{{- required "kafka.bootstrap: name the brokers (kafka-1:9092,kafka-2:9092), or Strimzi's cluster in kafka.strimzi.cluster." .Values.kafka.bootstrap -}}
{{- end -}}
{{- end -}}

{{/* Secrets that operators of Kafka and Postgres make, unless others are named: {"name", "key"}. */}}
{{- define "keytrail.kafkaCa" -}}
{{- $ca := .Values.kafka.ca -}}
{{- $name := $ca.secretName -}}
{{- if and .Values.kafka.strimzi.cluster (not $name) }}{{ $name = printf "%s-cluster-ca-cert" .Values.kafka.strimzi.cluster }}{{ end -}}
{{- dict "name" $name "key" $ca.key | toJson -}}
{{- end -}}

{{- define "keytrail.postgresCa" -}}
{{- $ca := .Values.postgres.ca -}}
{{- $name := $ca.secretName -}}
{{- if and .Values.postgres.cloudNativePG.cluster (not $name) }}{{ $name = printf "%s-ca" .Values.postgres.cloudNativePG.cluster }}{{ end -}}
{{- dict "name" $name "key" $ca.key | toJson -}}
{{- end -}}

{{- define "keytrail.dsn" -}}
{{- $dsn := .Values.postgres.dsn -}}
{{- $name := $dsn.secretName -}}
{{- if and .Values.postgres.cloudNativePG.cluster (not $name) }}{{ $name = printf "%s-app" .Values.postgres.cloudNativePG.cluster }}{{ end -}}
{{- dict "name" (required "postgres.dsn.secretName: name the Secret with the DSN, or CloudNativePG's cluster in postgres.cloudNativePG.cluster." $name) "key" $dsn.key | toJson -}}
{{- end -}}

{{- define "keytrail.sasl" -}}
{{- if hasPrefix "SASL_" .Values.kafka.security }}true{{ end -}}
{{- end -}}

{{/* The password of a user on Kafka: {"name", "key"}. */}}
{{- define "keytrail.kafkaPassword" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if and $kafka.strimzi.cluster (not $kafka.passwords.secretName) -}}
{{- dict "name" .user "key" "password" | toJson -}}
{{- else -}}
{{- dict "name" (required "kafka.passwords.secretName: name the Secret with a key USER.password for each kind of process, or set kafka.security to SSL or PLAINTEXT for brokers that ask nobody who they are. The chart has no client certificates." $kafka.passwords.secretName) "key" (printf "%s.password" .user) | toJson -}}
{{- end -}}
{{- end -}}
