{{/*
No two pods of a system share a node (`spread: hard`), or do so unwillingly (`soft`, for one node); zones are evened out.
Arguments: scheduling, selector (a map of labels).
*/}}
{{- define "common.affinity" -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" .selector) }}
podAntiAffinity:
  {{- if eq .scheduling.spread "hard" }}
  requiredDuringSchedulingIgnoredDuringExecution:
    - {{- toYaml $term | nindent 6 }}
  {{- else }}
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        {{- toYaml $term | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "common.topologySpread" -}}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  # A cluster of one zone is a cluster too.
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- toYaml .selector | nindent 6 }}
{{- end }}

{{/* What every pod template of ours begins with. Arguments: root, user (the image's), selector (a map). */}}
{{- define "common.pod" -}}
# A Service named like the program would become environment variables that it takes for its configuration.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  {{- include "common.podSecurity" .user | nindent 2 }}
affinity:
  {{- include "common.affinity" (dict "scheduling" .root.Values.scheduling "selector" .selector) | nindent 2 }}
topologySpreadConstraints:
  {{- include "common.topologySpread" . | nindent 2 }}
{{- with .root.Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "common.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .Release.Name }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
{{- end }}
