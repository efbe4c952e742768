{{- define "rightslice.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "rightslice.webhook" -}}
{{- printf "%s-webhook" (include "rightslice.name" .) -}}
{{- end -}}

{{- define "rightslice.selector" -}}
app.kubernetes.io/name: rightslice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "rightslice.labels" -}}
{{ include "rightslice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
