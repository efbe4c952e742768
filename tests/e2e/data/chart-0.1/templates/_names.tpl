{{/* Helm's own convention: the release's name, with the chart's where it does not hold it. */}}
{{- define "rightslice.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 39 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- define "rightslice.webhook" -}}
{{- printf "%s-webhook" (include "rightslice.name" .) -}}
{{- end -}}

{{/* A Deployment's selector can never change: nothing of it depends on a version or a value. */}}
{{- define "rightslice.selector" -}}
app.kubernetes.io/name: rightslice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "rightslice.labels" -}}
{{ include "rightslice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "rightslice.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* YAML reads a bare off as false. */}}
{{- define "rightslice.mode" -}}
{{- if eq (toString .) "false" }}off{{ else }}{{ . }}{{ end -}}
{{- end -}}
