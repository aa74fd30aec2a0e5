{{- define "tailrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tailrace.fullname" -}}
{{- $name := include "tailrace.name" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tailrace.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tailrace.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tailrace.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "tailrace.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tailrace.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "tailrace.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "tailrace.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* Where the agent listens: ${HOST_IP} is read by the agent. */ -}}
{{- define "tailrace.host" -}}
{{- if .Values.admin.listen }}{{ .Values.admin.listen }}
{{- else if not .Values.hostNetwork }}0.0.0.0
{{- else if or .Values.service.enabled .Values.podMonitor.enabled }}${HOST_IP}
{{- else }}127.0.0.1{{ end }}
{{- end }}

{{- /* The whole configuration. */ -}}
{{- define "tailrace.config" -}}
data_dir: /var/lib/tailrace
{{- range $key, $value := .Values.config.service }}
{{- /* `off` is false to YAML. */ -}}
{{- if kindIs "bool" $value }}{{ $value = ternary "on" "off" $value }}{{ end }}
{{ $key }}: {{ toJson $value }}
{{- end }}
admin: {listen: "{{ include "tailrace.host" . }}:{{ .Values.admin.port }}"}

inputs:
{{ tpl .Values.config.inputs . | trim | indent 2 }}

outputs:
{{ tpl .Values.config.outputs . | trim | indent 2 }}
{{ end }}

{{- /* What the inputs need to ask: JSON of rules. */ -}}
{{- define "tailrace.rules" -}}
{{- $verbs := dict "pods" false "nodes/pods" false "namespaces" false "nodes" false }}
{{- if .Values.existingConfigMap }}{{ $_ := set $verbs "pods" true }}
{{- else }}
{{- $inputs := fromYaml (tpl .Values.config.inputs .) }}
{{- if $inputs.Error }}{{ fail (printf "config.inputs is not YAML: %s" $inputs.Error) }}{{ end }}
{{- range $name, $input := $inputs }}
{{- if not (kindIs "map" $input) }}{{ fail (printf "config.inputs: `%s` has no keys below it; write `pods: {type: kubernetes}`" $name) }}{{ end }}
{{- if eq (toString $input.type) "kubernetes" }}
{{- $metadata := $input.metadata | default dict }}
{{- $source := $metadata.source | default "api" }}
{{- if eq $source "api" }}{{ $_ := set $verbs "pods" true }}{{ end }}
{{- if eq $source "kubelet" }}{{ $_ := set $verbs "nodes/pods" true }}{{ end }}
{{- if $metadata.namespace_labels }}{{ $_ := set $verbs "namespaces" true }}{{ end }}
{{- if $metadata.node_labels }}{{ $_ := set $verbs "nodes" true }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- if get $verbs "pods" }}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
{{- end }}
{{- range $resource := list "nodes/pods" "namespaces" "nodes" }}
{{- if get $verbs $resource }}
- {apiGroups: [""], resources: [{{ $resource }}], verbs: [get]}
{{- end }}
{{- end }}
{{- end }}

{{- /* What a schema cannot see. */ -}}
{{- define "tailrace.check" -}}
{{- $timeout := get .Values.config.service "shutdown_timeout" | default "25s" | toString }}
{{- if and (not .Values.existingConfigMap) (regexMatch "^[0-9]+s$" $timeout) (le (int64 .Values.terminationGracePeriodSeconds) (int64 (trimSuffix "s" $timeout))) }}
{{- fail (printf "terminationGracePeriodSeconds: %v is not above config.service.shutdown_timeout: %s; the pod would be killed while it delivers" .Values.terminationGracePeriodSeconds $timeout) }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) }}
{{- fail "serviceMonitor.enabled: there is no service to monitor; set service.enabled=true too" }}
{{- end }}
{{- end }}
