{{/* Name of everything: the release's. */}}
{{- define "chaperone.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "chaperone.labels" -}}
app.kubernetes.io/name: chaperone
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- if .Values.region }}
chaperone/region: {{ .Values.region | quote }}
{{- end }}
{{- end -}}

{{- define "chaperone.selector" -}}
app.kubernetes.io/name: chaperone
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "chaperone.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}
{{ include "chaperone.name" . }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* What every pod of ours has in common, containers apart. */}}
{{- define "chaperone.pod" -}}
serviceAccountName: {{ include "chaperone.serviceAccount" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
{{- if .Values.config.existingSecret }}
    secret: { secretName: {{ .Values.config.existingSecret | quote }} }
{{- else }}
    configMap: { name: {{ include "chaperone.name" . }} }
{{- end }}
  - name: state
    emptyDir: {}
  - name: tmp
    emptyDir: {}
{{- end -}}

{{/* What every container of ours has in common. */}}
{{- define "chaperone.container" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: config, mountPath: /etc/chaperone, readOnly: true }
  - { name: state, mountPath: /var/lib/chaperone }
  - { name: tmp, mountPath: /tmp }
env:
  - name: CHAPERONE_QUEUE__URL
    valueFrom: { secretKeyRef: { name: {{ .Values.secret.name | quote }}, key: queue-url } }
  - name: CHAPERONE_STORE__URL
    valueFrom: { secretKeyRef: { name: {{ .Values.secret.name | quote }}, key: store-url } }
  - name: CHAPERONE_INDEX__URL
    valueFrom: { secretKeyRef: { name: {{ .Values.secret.name | quote }}, key: index-url } }
  - name: CHAPERONE_INDEX__API_KEY
    valueFrom: { secretKeyRef: { name: {{ .Values.secret.name | quote }}, key: index-api-key, optional: true } }
{{- end -}}

{{/* A start may wait for its servers and load models; a live process that is not ready gets no traffic but is not killed. */}}
{{- define "chaperone.probes" -}}
startupProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /health/ready, port: http }
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 2
{{- end -}}
