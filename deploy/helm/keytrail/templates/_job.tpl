{{/*
The template of a Job's pod, which runs one command of the operator. Takes {"root", "component", "arrangement", "user", "password"},
"resources", "command" (a list), and "claim" (a PersistentVolumeClaim for backups; empty: none) with "written".
*/}}
{{- define "keytrail.jobTemplate" -}}
{{- $values := .root.Values -}}
{{- $config := include "keytrail.configSources" . -}}
metadata:
  labels:
    {{- include "keytrail.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.pods.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.pods.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  # The chart's own account may be another one than before, and nothing here needs one.
  serviceAccountName: default
  automountServiceAccountToken: false
  enableServiceLinks: false
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
  containers:
    - name: {{ .component }}
      image: {{ include "keytrail.image" . | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: {{ .command | toJson }}
      env:
        {{- include "keytrail.environment" . | trim | nindent 8 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- include "keytrail.containerSecurity" .root | nindent 8 }}
      volumeMounts:
        - {name: secrets, mountPath: {{ include "keytrail.secretsFolder" . }}, readOnly: true}
        {{- if $config }}
        - {name: config, mountPath: {{ include "keytrail.configFolder" . }}, readOnly: true}
        {{- end }}
        {{- if .claim }}
        - {name: backups, mountPath: {{ include "keytrail.backupFolder" . }}, readOnly: {{ not .written }}}
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
    {{- if .claim }}
    - name: backups
      persistentVolumeClaim:
        claimName: {{ .claim | quote }}
    {{- end }}
    - name: tmp
      emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}

{{- define "keytrail.backupFolder" -}}/var/lib/keytrail/backups{{- end -}}

{{/*
What a Job may reach that runs before the release's own policies are there, or while they are still those of the former values: the new
ones may correct just what keeps the Job from Kafka or Postgres. Policies add up. Takes {"root", "component"}, "hook" (when the Job
runs) and "egress" (rules, as text).
*/}}
{{- define "keytrail.jobPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "keytrail.name" .root }}-{{ .component }}
  labels:
    {{- include "keytrail.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "keytrail.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    {{- .egress | nindent 4 }}
{{- end -}}
