/* lists.c: linked lists and sorting; code for tests to take apart, see tests/fixture.py. */
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *next;
	int key;
	char name[20];
};

struct node *list_push(struct node *head, int key, const char *name);
struct node *list_find(struct node *head, int key);
struct node *list_reverse(struct node *head);
struct node *list_merge(struct node *a, struct node *b);
struct node *list_sort(struct node *head);
long list_sum(const struct node *head);
void list_free(struct node *head);
void array_insertion(int *a, int n);
void array_quick(int *a, int n);
int array_search(const int *a, int n, int key);
int array_compare(const void *a, const void *b);
void array_library(int *a, unsigned long n);

struct node *list_push(struct node *head, int key, const char *name)
{
	struct node *n = malloc(sizeof(*n));

	if (!n)
		return head;
	n->next = head;
	n->key = key;
	strncpy(n->name, name, sizeof(n->name) - 1);
	n->name[sizeof(n->name) - 1] = '\0';
	return n;
}

struct node *list_find(struct node *head, int key)
{
	while (head && head->key != key)
		head = head->next;
	return head;
}

struct node *list_reverse(struct node *head)
{
	struct node *done = NULL;

	while (head) {
		struct node *next = head->next;

		head->next = done;
		done = head;
		head = next;
	}
	return done;
}

struct node *list_merge(struct node *a, struct node *b)
{
	struct node *head = NULL, **tail = &head;

	while (a && b) {
		struct node **from = a->key <= b->key ? &a : &b;

		*tail = *from;
		tail = &(*from)->next;
		*from = (*from)->next;
	}
	*tail = a ? a : b;
	return head;
}

struct node *list_sort(struct node *head)
{
	struct node *slow = head, *fast;

	if (!head || !head->next)
		return head;
	for (fast = head->next; fast && fast->next; fast = fast->next->next)
		slow = slow->next;
	fast = slow->next;
	slow->next = NULL;
	return list_merge(list_sort(head), list_sort(fast));
}

long list_sum(const struct node *head)
{
	long sum = 0;

	for (; head; head = head->next)
		sum += head->key;
	return sum;
}

void list_free(struct node *head)
{
	while (head) {
		struct node *next = head->next;

		free(head);
		head = next;
	}
}

void array_insertion(int *a, int n)
{
	for (int i = 1; i < n; i++) {
		int v = a[i], k = i;

		while (k > 0 && a[k - 1] > v) {
			a[k] = a[k - 1];
			k--;
		}
		a[k] = v;
	}
}

void array_quick(int *a, int n)
{
	int pivot, i = 0, k = n - 1;

	if (n < 8) {
		array_insertion(a, n);
		return;
	}
	pivot = a[n / 2];
	while (i <= k) {
		while (a[i] < pivot)
			i++;
		while (a[k] > pivot)
			k--;
		if (i <= k) {
			int t = a[i];

			a[i++] = a[k];
			a[k--] = t;
		}
	}
	array_quick(a, k + 1);
	array_quick(a + i, n - i);
}

int array_search(const int *a, int n, int key)
{
	int low = 0, high = n - 1;

	while (low <= high) {
		int mid = low + (high - low) / 2;

		if (a[mid] == key)
			return mid;
		if (a[mid] < key)
			low = mid + 1;
		else
			high = mid - 1;
	}
	return -1;
}

int array_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void array_library(int *a, unsigned long n)
{
	qsort(a, n, sizeof(*a), array_compare);
}
