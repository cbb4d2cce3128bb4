/** Sentences for the person concerned that reviewers pick instead of writing them. */
import { Button, Stack, TagsInput, Text, TextInput, Textarea } from '@mantine/core';
import type { ReviewSettings } from '../../api/types';
import { Empty, Panel } from '../../parts/state';
import { text } from '../../text/en';

type Template = NonNullable<ReviewSettings['templates']>[number];

export function Templates({ of, change }: { of: readonly Template[]; change: (templates: Template[]) => void }) {
  const put = (index: number, template: Template) => change(of.map((old, at) => (at === index ? template : old)));
  return (
    <Panel
      title={text.templates.title}
      aside={
        <Button size="xs" variant="default" onClick={() => change([...of, { name: '', text: '', rules: [] }])}>
          {text.templates.add}
        </Button>
      }
    >
      <Text size="sm" c="dimmed" mb="sm">
        {text.templates.hint}
      </Text>
      {of.length === 0 ? (
        <Empty title={text.templates.none}>{text.templates.noneHint}</Empty>
      ) : (
        <Stack gap="xs">
          {of.map((template, index) => (
            <div key={index} className="template">
              <TextInput aria-label={text.templates.name} placeholder={text.templates.name} maxLength={64} value={template.name} onChange={(event) => put(index, { ...template, name: event.currentTarget.value })} />
              <Textarea aria-label={text.templates.text} placeholder={text.templates.text} autosize minRows={1} maxLength={500} value={template.text} onChange={(event) => put(index, { ...template, text: event.currentTarget.value })} />
              <TagsInput aria-label={text.templates.rules} placeholder={template.rules?.length ? '' : text.templates.rules} value={template.rules ?? []} onChange={(rules) => put(index, { ...template, rules })} />
              <Button variant="default" size="sm" aria-label={text.templates.removeOf(template.name)} onClick={() => change(of.filter((_, at) => at !== index))}>
                {text.quality.remove}
              </Button>
            </div>
          ))}
        </Stack>
      )}
    </Panel>
  );
}
