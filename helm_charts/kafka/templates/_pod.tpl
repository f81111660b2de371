{{/* What a pod of Strimzi's gets from us. Arguments: root, name (the value of strimzi.io/name), pool (or none). */}}
{{- define "kafka.pod" -}}
{{- $selector := dict "strimzi.io/name" .name }}
{{- if .pool }}
{{- $_ := set $selector "strimzi.io/pool-name" .pool }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
enableServiceLinks: false
affinity:
  {{- include "common.affinity" (dict "scheduling" .root.Values.scheduling "selector" $selector) | nindent 2 }}
topologySpreadConstraints:
  {{- include "common.topologySpread" (dict "selector" $selector) | nindent 2 }}
{{- with .root.Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
