{{/* What a pod of one kind of process holds. Each helper takes {"root", "component"}. */}}

{{- define "keytrail.secretsFolder" -}}/etc/keytrail/secrets{{- end -}}
{{- define "keytrail.configFolder" -}}/etc/keytrail/config{{- end -}}

{{/*
Secrets as files. Kubernetes makes root their owner, and with fsGroup their group is the process's own and their mode 0440: the only
way in which a process that is not root can read them and the other users of its machine cannot. services/ownership.py takes them.
*/}}
{{- define "keytrail.secretSources" -}}
{{- $values := .root.Values -}}
{{- $found := list (dict "secret" (required "masterKey.secretName: name the Secret with the master key (head -c 32 /dev/urandom | base64)." $values.masterKey.secretName) "key" $values.masterKey.key "path" "master.key") -}}
{{- $found = append $found (dict "secret" (required "rootUser.secretName: name the Secret with the secret of rootUser.accessKeyId." $values.rootUser.secretName) "key" $values.rootUser.key "path" "root.secret") -}}
{{- $dsn := include "keytrail.dsn" .root | fromJson -}}
{{- $found = append $found (dict "secret" $dsn.name "key" $dsn.key "path" "postgres") -}}
{{- if include "keytrail.sasl" .root -}}
{{- $password := .password -}}
{{- if not $password }}{{ $password = include "keytrail.kafkaPassword" (dict "root" .root "user" .user) | fromJson }}{{ end -}}
{{- $found = append $found (dict "secret" $password.name "key" $password.key "path" "kafka.password") -}}
{{- end -}}
{{- if $values.servicePrincipals.secretName -}}
{{- $found = append $found (dict "secret" $values.servicePrincipals.secretName "key" $values.servicePrincipals.key "path" "services.toml") -}}
{{- end -}}
{{- $tree := $values.transparencyLog -}}
{{- if and $tree.enabled $tree.accessKey.id (has .component (list "api" "notary")) -}}
{{- $found = append $found (dict "secret" (required "transparencyLog.accessKey.secretName: name the Secret with the secret of accessKey.id." $tree.accessKey.secretName) "key" $tree.accessKey.key "path" "tree.secret") -}}
{{- end -}}
{{- if and $tree.enabled $tree.signingKey.accessKeyId (has .component (list "api" "notary")) -}}
{{- $found = append $found (dict "secret" (required "transparencyLog.signingKey.secretName: name the Secret with the secret of signingKey.accessKeyId." $tree.signingKey.secretName) "key" $tree.signingKey.key "path" "tree-key.secret") -}}
{{- end -}}
{{- $devices := $values.auditDevices -}}
{{- if and $devices.secretName (eq .component "audit-devices") -}}
{{- $found = append $found (dict "secret" $devices.secretName "key" $devices.key "path" "devices.toml") -}}
{{- range $devices.keys -}}
{{- $found = append $found (dict "secret" $devices.secretName "key" . "path" (printf "audit-devices/%s" .)) -}}
{{- end -}}
{{- end -}}
{{- if include "keytrail.alertRules" . -}}
{{- range $values.alerts.keys -}}
{{- $found = append $found (dict "secret" (required "alerts.secretName: name the Secret that has alerts.keys." $values.alerts.secretName) "key" . "path" (printf "alerts/%s" .)) -}}
{{- end -}}
{{- end -}}
{{- if and (include "keytrail.traces" .) $values.traces.headers.secretName -}}
{{- $found = append $found (dict "secret" $values.traces.headers.secretName "key" $values.traces.headers.key "path" "traces.headers") -}}
{{- end -}}
{{- if eq .component "api" -}}
{{- if $values.signInProviders.secretName -}}
{{- $found = append $found (dict "secret" $values.signInProviders.secretName "key" $values.signInProviders.key "path" "providers.toml") -}}
{{- end -}}
{{- if $values.api.tls.enabled -}}
{{- $secret := required "api.tls.secretName: name the Secret with the API's certificate (kubernetes.io/tls). Set api.tls.enabled to false only if something before it encrypts: what clients send is as secret as the keys." $values.api.tls.secretName -}}
{{- $found = append $found (dict "secret" $secret "key" "tls.crt" "path" "tls.crt") -}}
{{- $found = append $found (dict "secret" $secret "key" "tls.key" "path" "tls.key") -}}
{{- end -}}
{{- end -}}
{{- range $found }}
- secret: {name: {{ .secret | quote }}, items: [{key: {{ .key | quote }}, path: {{ .path | quote }}}]}
{{- end -}}
{{- end -}}

{{/* Whether it is a command of a Job, which ends: nobody probes it, and it judges no alerts. */}}
{{- define "keytrail.runsOnce" -}}
{{- if has .component (list "upgrade" "backup" "restore") -}}
true
{{- end -}}
{{- end -}}

{{/* Whether this kind of process reads the file of alerts. */}}
{{- define "keytrail.alertRules" -}}
{{- if and .root.Values.alerts.file (ne .component "projector") (not (include "keytrail.runsOnce" .)) -}}
true
{{- end -}}
{{- end -}}

{{/* Whether this kind of process traces calls. */}}
{{- define "keytrail.traces" -}}
{{- if and .root.Values.traces.endpoint (has .component (list "api" "writer" "projector" "alert-worker" "notifier")) -}}
true
{{- end -}}
{{- end -}}

{{/* Files that are no secrets: certificates of authorities, and what stands in values as text. */}}
{{- define "keytrail.configSources" -}}
{{- $values := .root.Values -}}
{{- $name := include "keytrail.name" .root -}}
{{- $kafka := include "keytrail.kafkaCa" .root | fromJson -}}
{{- if and $kafka.name (hasSuffix "SSL" $values.kafka.security) }}
- secret: {name: {{ $kafka.name | quote }}, items: [{key: {{ $kafka.key | quote }}, path: kafka-ca.crt}]}
{{- end -}}
{{- $postgres := include "keytrail.postgresCa" .root | fromJson -}}
{{- if $postgres.name }}
- secret: {name: {{ $postgres.name | quote }}, items: [{key: {{ $postgres.key | quote }}, path: postgres-ca.crt}]}
{{- end -}}
{{- if include "keytrail.alertRules" . }}
- configMap: {name: {{ $name }}, items: [{key: alerts.toml, path: alerts.toml}]}
{{- end -}}
{{- $tree := $values.transparencyLog -}}
{{- if and $tree.witnessPolicy (has .component (list "api" "notary")) }}
- configMap: {name: {{ $name }}, items: [{key: witness.policy, path: witness.policy}]}
{{- end -}}
{{- if and $tree.timestamp.url (eq .component "notary") }}
- configMap: {name: {{ required "transparencyLog.timestamp.configMapName: name the ConfigMap with the certificates of the authority's root." $tree.timestamp.configMapName | quote }}, items: [{key: {{ $tree.timestamp.key | quote }}, path: timestamp-ca.crt}]}
{{- end -}}
{{- if and (include "keytrail.traces" .) $values.traces.ca.configMapName }}
- configMap: {name: {{ $values.traces.ca.configMapName | quote }}, items: [{key: {{ $values.traces.ca.key | quote }}, path: traces-ca.crt}]}
{{- end -}}
{{- if eq .component "api" -}}
{{- if $values.oidc.ca.configMapName }}
- configMap: {name: {{ $values.oidc.ca.configMapName | quote }}, items: [{key: {{ $values.oidc.ca.key | quote }}, path: oidc-ca.crt}]}
{{- else if $values.oidc.clusterIssuer }}
- configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: oidc-ca.crt}]}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Kafka's settings, which the Job needs too. */}}
{{- define "keytrail.kafkaEnvironment" -}}
{{- $values := .root.Values -}}
- {name: KEYTRAIL_KAFKA, value: {{ include "keytrail.bootstrap" .root | quote }}}
- {name: KEYTRAIL_KAFKA_SECURITY, value: {{ $values.kafka.security | quote }}}
- {name: KEYTRAIL_TOPIC_PREFIX, value: {{ $values.topicPrefix | quote }}}
{{- if and (include "keytrail.kafkaCa" .root | fromJson).name (hasSuffix "SSL" $values.kafka.security) }}
- {name: KEYTRAIL_KAFKA_CA, value: {{ include "keytrail.configFolder" . }}/kafka-ca.crt}
{{- end }}
{{- if include "keytrail.sasl" .root }}
- {name: KEYTRAIL_KAFKA_SASL_MECHANISM, value: {{ $values.kafka.mechanism | quote }}}
- {name: KEYTRAIL_KAFKA_USERNAME, value: {{ .user | quote }}}
- {name: KEYTRAIL_KAFKA_PASSWORD_FILE, value: {{ include "keytrail.secretsFolder" . }}/kafka.password}
{{- end }}
{{- end -}}

{{/* A number as JSON has it: as Go prints it, a million is 1e+06. */}}
{{- define "keytrail.settings" -}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ ternary $value ($value | toJson) (kindIs "string" $value) | quote }}}
{{- end }}
{{- end -}}

{{- define "keytrail.environment" -}}
{{- $values := .root.Values -}}
{{- $secrets := include "keytrail.secretsFolder" . -}}
{{- $config := include "keytrail.configFolder" . -}}
{{ include "keytrail.kafkaEnvironment" . }}
- {name: KEYTRAIL_POSTGRES_FILE, value: {{ $secrets }}/postgres}
{{- if (include "keytrail.postgresCa" .root | fromJson).name }}
- {name: KEYTRAIL_POSTGRES_CA, value: {{ $config }}/postgres-ca.crt}
{{- end }}
- {name: KEYTRAIL_MASTER_KEY_FILE, value: {{ $secrets }}/master.key}
- {name: KEYTRAIL_ROOT_ACCESS_KEY_ID, value: {{ required "rootUser.accessKeyId: name the access key of the root user: AKIA and sixteen characters of A-Z and 2-7." $values.rootUser.accessKeyId | quote }}}
- {name: KEYTRAIL_ROOT_SECRET_ACCESS_KEY_FILE, value: {{ $secrets }}/root.secret}
{{- if $values.servicePrincipals.secretName }}
- {name: KEYTRAIL_SERVICES_FILE, value: {{ $secrets }}/services.toml}
{{- end }}
{{- if include "keytrail.alertRules" . }}
- {name: KEYTRAIL_ALERTS_FILE, value: {{ $config }}/alerts.toml}
{{- end }}
{{- if eq .component "audit-devices" }}
- {name: KEYTRAIL_AUDIT_DEVICES_FILE, value: {{ $secrets }}/devices.toml}
{{- end }}
{{- $tree := $values.transparencyLog }}
{{- if not $tree.enabled }}
- {name: KEYTRAIL_NOTARIES, value: "0"}
{{- else if has .component (list "api" "notary") }}
- {name: KEYTRAIL_TREE, value: {{ $tree.bucket | default "/var/lib/keytrail/tree" | quote }}}
{{- if $tree.witnessPolicy }}
- {name: KEYTRAIL_WITNESS_POLICY_FILE, value: {{ $config }}/witness.policy}
{{- end }}
{{- if $tree.accessKey.id }}
- {name: KEYTRAIL_TREE_ACCESS_KEY_ID, value: {{ $tree.accessKey.id | quote }}}
- {name: KEYTRAIL_TREE_SECRET_ACCESS_KEY_FILE, value: {{ $secrets }}/tree.secret}
{{- end }}
{{- /* In an API pod it is for `keytrail log rotate-key`: the notary's user on Kafka may send no commands. */}}
{{- if $tree.signingKey.accessKeyId }}
- {name: KEYTRAIL_TREE_KEY_ACCESS_KEY_ID, value: {{ $tree.signingKey.accessKeyId | quote }}}
- {name: KEYTRAIL_TREE_KEY_SECRET_ACCESS_KEY_FILE, value: {{ $secrets }}/tree-key.secret}
{{- end }}
{{- end }}
{{- if and $tree.enabled $tree.timestamp.url (eq .component "notary") }}
- {name: KEYTRAIL_TIMESTAMP_URL, value: {{ $tree.timestamp.url | quote }}}
- {name: KEYTRAIL_TIMESTAMP_CA, value: {{ $config }}/timestamp-ca.crt}
{{- end }}
{{- if eq .component "api" }}
- {name: KEYTRAIL_HOST, value: {{ $values.api.listen | quote }}}
- {name: KEYTRAIL_PORT, value: {{ .arrangement.port | int | quote }}}
{{- if $values.api.tls.enabled }}
- {name: KEYTRAIL_TLS_CERT, value: {{ $secrets }}/tls.crt}
- {name: KEYTRAIL_TLS_KEY, value: {{ $secrets }}/tls.key}
{{- end }}
{{- if $values.signInProviders.secretName }}
- {name: KEYTRAIL_SIGN_IN_PROVIDERS_FILE, value: {{ $secrets }}/providers.toml}
{{- end }}
{{- if or $values.oidc.ca.configMapName $values.oidc.clusterIssuer }}
- {name: KEYTRAIL_OIDC_CA, value: {{ $config }}/oidc-ca.crt}
{{- end }}
{{- if $values.oidc.addresses }}
- {name: KEYTRAIL_OIDC_ADDRESSES, value: {{ join "," $values.oidc.addresses | quote }}}
{{- end }}
{{- else if not (include "keytrail.runsOnce" .) }}
- {name: KEYTRAIL_HEARTBEAT_FILE, value: /tmp/heartbeat}
{{- end }}
{{- if $values.monitoring.enabled }}
- {name: KEYTRAIL_METRICS_HOST, value: {{ $values.api.listen | quote }}}
- {name: KEYTRAIL_METRICS_PORT, value: {{ include "keytrail.metricsPort" . | quote }}}
{{- end }}
{{- if include "keytrail.traces" . }}
- {name: KEYTRAIL_TRACES_ENDPOINT, value: {{ $values.traces.endpoint | quote }}}
- {name: KEYTRAIL_TRACES_RATIO, value: {{ $values.traces.ratio | toJson | quote }}}
{{- if $values.traces.headers.secretName }}
- {name: KEYTRAIL_TRACES_HEADERS_FILE, value: {{ $secrets }}/traces.headers}
{{- end }}
{{- if $values.traces.ca.configMapName }}
- {name: KEYTRAIL_TRACES_CA, value: {{ $config }}/traces-ca.crt}
{{- end }}
{{- end }}
{{- if eq .component "writer" }}
- {name: KEYTRAIL_WRITER_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- else if eq .component "alert-worker" }}
- {name: KEYTRAIL_ALERTS_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- end }}
{{ include "keytrail.settings" .root | trim }}
{{- end -}}

{{/*
An API worker that cannot say where the log ends takes no calls until it can (/healthz): others may. It is not killed for that, since
a new one would not know either; it is killed if it answers nothing at all (/metrics). The others touch a file from
its event loop, as long as it works or stands by. A writer that could not lead yet has a second file, /tmp/heartbeat.behind: a
rollout that ended the one that leads would have every change wait for it. Earlier versions make none.
*/}}
{{- define "keytrail.probes" -}}
{{- if eq .component "api" -}}
{{- $scheme := ternary "HTTPS" "HTTP" .root.Values.api.tls.enabled -}}
startupProbe:
  httpGet: {path: /healthz, port: api, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ div (int .root.Values.api.startSeconds) 5 }}
readinessProbe:
  httpGet: {path: /healthz, port: api, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /metrics, port: api, scheme: {{ $scheme }}}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
{{- else -}}
startupProbe:
  exec: {command: [test, -e, /tmp/heartbeat]}
  periodSeconds: 2
  failureThreshold: 300
readinessProbe:
  exec: {command: [sh, -c, 'test ! -e /tmp/heartbeat.behind && test -n "$(find /tmp/heartbeat -mmin -1)"']}
  periodSeconds: 10
livenessProbe:
  exec: {command: [sh, -c, 'test -n "$(find /tmp/heartbeat -mmin -2)"']}
  periodSeconds: 30
  failureThreshold: 2
{{- end -}}
{{- end -}}

{{/* Of every container: the rights that Kubernetes' "restricted" standard leaves, and nothing that can be written to but /tmp. */}}
{{- define "keytrail.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "keytrail.podSecurity" -}}
{{- $user := int .user -}}
runAsNonRoot: true
runAsUser: {{ $user }}
runAsGroup: {{ $user }}
# The files of Secrets get this group; see services/ownership.py.
fsGroup: {{ $user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "keytrail.podTemplate" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $own := index $values .key -}}
{{- $config := include "keytrail.configSources" . -}}
{{- $audit := and (eq .component "audit-devices") $values.auditDevices.existingClaim -}}
{{- $tree := and $values.transparencyLog.enabled (has .component (list "api" "notary")) (not $values.transparencyLog.bucket) -}}
metadata:
  labels:
    {{- include "keytrail.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.pods.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    keytrail/config: {{ include "keytrail.configText" $root | sha256sum | trunc 16 | quote }}
    {{- with $values.pods.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "keytrail.serviceAccount" $root }}
  automountServiceAccountToken: false
  # Kubernetes would set KEYTRAIL_PORT to an address, for a Service that is named keytrail.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ ternary 30 20 (eq .component "api") }}
  securityContext:
    {{- include "keytrail.podSecurity" .arrangement | nindent 4 }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.pods.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.pods.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.pods.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $values.pods.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "keytrail.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.component }}
      {{- if not $.named }}
      # New pods stand beside those that they replace: counted with these, they would be uneven once these are gone.
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "keytrail.image" . | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [{{ .process.module }}]
      {{- if or (eq .component "api") $values.monitoring.enabled }}
      ports:
        {{- if eq .component "api" }}
        - {name: api, containerPort: {{ int .arrangement.port }}, protocol: TCP}
        {{- end }}
        {{- if $values.monitoring.enabled }}
        - {name: metrics, containerPort: {{ include "keytrail.metricsPort" . }}, protocol: TCP}
        {{- end }}
      {{- end }}
      {{- if eq .component "api" }}
      # Until every machine knows that this pod takes no more calls.
      lifecycle:
        preStop: {exec: {command: [sleep, "5"]}}
      {{- end }}
      env:
        {{- include "keytrail.environment" . | trim | nindent 8 }}
      {{- include "keytrail.probes" . | nindent 6 }}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        {{- include "keytrail.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: secrets, mountPath: {{ include "keytrail.secretsFolder" . }}, readOnly: true}
        {{- if $config }}
        - {name: config, mountPath: {{ include "keytrail.configFolder" . }}, readOnly: true}
        {{- end }}
        {{- if $tree }}
        - {name: tree, mountPath: /var/lib/keytrail/tree, readOnly: {{ eq .component "api" }}}
        {{- end }}
        {{- if $audit }}
        - {name: audit, mountPath: /var/lib/keytrail/audit}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: secrets
      projected:
        defaultMode: 0400
        sources:
          {{- include "keytrail.secretSources" . | trim | nindent 10 }}
    {{- if $config }}
    - name: config
      projected:
        sources:
          {{- $config | trim | nindent 10 }}
    {{- end }}
    {{- if $tree }}
    - name: tree
      persistentVolumeClaim:
        claimName: {{ required "transparencyLog.bucket or transparencyLog.existingClaim: name where the transparency log is, or set transparencyLog.enabled to false." $values.transparencyLog.existingClaim | quote }}
    {{- end }}
    {{- if $audit }}
    - name: audit
      persistentVolumeClaim:
        claimName: {{ $audit | quote }}
    {{- end }}
    - name: tmp
      emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}
